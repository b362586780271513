"""The entry point `hubcheck`: runs a command, and turns errors into exit codes.

Everything is imported in functions, where Ctrl-C is handled.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

_PAUSE, _MAX_PAUSES = 0.002, 500
"""Seconds after which Ctrl-C is tried again if it comes during an import, and how often."""
_interrupts: list[int] = []


def main() -> None:
    """Run the command line and exit.

    A user's error is one sentence and exit code 2; Ctrl-C is 130; an internal error is 70, with what to report.
    """
    try:
        import gc
        import signal

        # Nearly all objects of a run live until its end, so that looking for cycles among them finds little.
        gc.set_threshold(100_000)
        is_handled = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if is_handled:
            signal.signal(signal.SIGINT, _interrupt)
        code = _run()
        if _interrupts and hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)
        if is_handled:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # only the interpreter's own work is left
        gc.freeze()  # the interpreter would look at every object once more, which takes a sixth of a static check
    except KeyboardInterrupt:
        code = _interrupted()
    except Exception:
        if not _interrupts:
            raise
        code = _interrupted()
    sys.exit(code)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt, and remember it.

    During an import, do so a moment later: the creation of a class turns it into another error, which would count as
    one of a rule, and protobuf's C code crashes.
    """
    import signal

    _interrupts.append(number)
    if len(_interrupts) > _MAX_PAUSES or not hasattr(signal, "setitimer") or not _is_importing(frame):
        raise KeyboardInterrupt
    signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
    signal.setitimer(signal.ITIMER_REAL, _PAUSE)


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None and not frame.f_code.co_filename.startswith("<frozen importlib"):
        frame = frame.f_back
    return frame is not None


def _interrupted() -> int:
    try:  # noqa: SIM105 - contextlib takes a moment to import
        os.write(2, b"interrupted\n")
    except OSError:
        pass
    return 130


def _run() -> int:
    """Run the command and return the exit code."""
    from hubcheck.cli.streams import failure, open_streams

    open_streams()
    import click

    from hubcheck._version import __version__
    from hubcheck.cli.echo import echo
    from hubcheck.engine.reports import EXIT_CONFORMS, EXIT_INTERNAL, EXIT_USAGE, worst_exit
    from hubcheck.util.errors import UserError

    try:
        if len(sys.argv) < 2 or {"-h", "--help"} & set(sys.argv):
            # rich-click formats help. It replaces click's classes, so it is imported before our commands are defined;
            # and only for help, since a static check has no time for the import.
            from rich_click.patch import patch

            patch()
        from hubcheck.cli.group import cli

        code = cli.main(standalone_mode=False)
    except click.ClickException as error:
        import io

        if isinstance(error, click.BadParameter) and not isinstance(error, click.MissingParameter):
            error.ctx = None  # the message says all; the usage would not add to it
        shown = io.StringIO()
        error.show(shown)
        echo(shown.getvalue(), err=True, nl=False)
        code = error.exit_code
    except click.Abort:
        return _interrupted()
    except UserError as error:
        echo(f"Error: {error}", err=True)
        code = EXIT_USAGE
    except Exception as error:
        if _interrupts:
            return _interrupted()
        import traceback

        echo("hubcheck failed with an internal error. Please report it with what follows:", err=True)
        echo(f"hubcheck {__version__}, Python {sys.version.split()[0]}, {' '.join(sys.argv[1:])}", err=True)
        echo("".join(traceback.format_exception(error)), err=True)
        code = EXIT_INTERNAL
    code = code if isinstance(code, int) else EXIT_CONFORMS
    if (reason := failure(sys.stdout)) is not None:
        echo(f"Error: standard output cannot be written: {reason}", err=True)
        return worst_exit(code, EXIT_USAGE)
    return code
