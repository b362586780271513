"""The entry point `hubcheck`: runs a command, and turns errors into exit codes."""

from __future__ import annotations

import os
import sys

import click

from hubcheck._version import __version__
from hubcheck.cli.echo import echo, use_utf8
from hubcheck.engine.reports import EXIT_CONFORMS, EXIT_INTERNAL, EXIT_INTERRUPTED, EXIT_USAGE
from hubcheck.util.errors import UserError


def main() -> None:
    """Run the command line and exit.

    A user's error is one sentence and exit code 2; Ctrl-C is 130; an internal error is 70, with what to report.
    """
    use_utf8()
    if len(sys.argv) < 2 or {"-h", "--help"} & set(sys.argv):
        # rich-click formats help. It replaces click's classes, so it is imported before our commands are defined; and
        # only for help, since a static check has no time for the import.
        from rich_click.patch import patch

        patch()
    from hubcheck.cli.group import cli

    try:
        code = cli.main(standalone_mode=False)
    except click.ClickException as error:
        import io

        shown = io.StringIO()
        error.show(shown)
        echo(shown.getvalue(), err=True, nl=False)
        code = error.exit_code
    except click.Abort:
        echo("interrupted", err=True)
        code = EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone; discard what is still buffered.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = EXIT_CONFORMS
    except UserError as error:
        echo(f"Error: {error}", err=True)
        code = EXIT_USAGE
    except Exception as error:
        import traceback

        echo("hubcheck failed with an internal error. Please report it with what follows:", err=True)
        echo(f"hubcheck {__version__}, Python {sys.version.split()[0]}, {' '.join(sys.argv[1:])}", err=True)
        echo("".join(traceback.format_exception(error)), err=True)
        code = EXIT_INTERNAL
    sys.exit(code if isinstance(code, int) else EXIT_CONFORMS)
