"""The command line: `hubcheck COMMAND`. Each command is a file of this package."""

from __future__ import annotations

import os
import sys

import click

from hubcheck._version import __version__
from hubcheck.engine.reports import EXIT_INTERNAL, EXIT_INTERRUPTED, EXIT_USAGE
from hubcheck.util.errors import UserError


def main() -> None:
    """Run the command line and exit.

    What a user can cause is one sentence and exit code 2; Ctrl-C is 130; an error of hubcheck's own is 70,
    with what to report.
    """
    if len(sys.argv) < 2 or {"-h", "--help"} & set(sys.argv):
        # Help is set by rich-click. It patches click's classes, so it comes before our commands are defined,
        # and only here: its import is time that a static check has no use for.
        from rich_click.patch import patch

        patch()
    from hubcheck.cli.group import cli

    try:
        code = cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except click.Abort:
        click.echo("interrupted", err=True)
        code = EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone; what is left in the buffer has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except Exception as error:
        code = _sorry(error)
    sys.exit(code if isinstance(code, int) else 0)


def _sorry(error: Exception) -> int:
    if isinstance(error, UserError):
        click.echo(f"Error: {error}", err=True)
        return EXIT_USAGE
    import traceback

    click.echo("hubcheck failed; this is an error of hubcheck's own. Please report it with what follows:", err=True)
    click.echo(f"hubcheck {__version__}, Python {sys.version.split()[0]}, {' '.join(sys.argv[1:])}", err=True)
    click.echo("".join(traceback.format_exception(error)), err=True)
    return EXIT_INTERNAL
