"""The command line: `hubcheck COMMAND`. Commands live in hubcheck/commands/, one file each."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from typing import Any

import rich_click as click

import hubcheck
from hubcheck.results import EXIT_INTERNAL, EXIT_INTERRUPTED, EXIT_USAGE

_COMMANDS = {
    "validate": "hubcheck.commands.validate",
    "show": "hubcheck.commands.show",
    "explain": "hubcheck.commands.explain",
    "rules": "hubcheck.commands.rules",
}


class _Lazy(click.RichGroup):
    """A group that imports only the command that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: Any = importlib.import_module(_COMMANDS[cmd_name])
        return command.command  # type: ignore[no-any-return]


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(hubcheck.__version__, prog_name="hubcheck")
def cli() -> None:
    """Check that TensorFlow image modules keep the Common Signatures for Images of TF Hub."""


def main() -> None:
    """Run the command line and exit.

    What a user can cause is one sentence and exit code 2; Ctrl-C is 130; an error of hubcheck's own is 70,
    with what to report.
    """
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
    if getattr(error, "users_fault", False):
        click.echo(f"Error: {error}", err=True)
        return EXIT_USAGE
    click.echo("hubcheck failed; this is an error of hubcheck's own. Please report it with what follows:", err=True)
    click.echo(f"hubcheck {hubcheck.__version__}, Python {sys.version.split()[0]}, {' '.join(sys.argv[1:])}", err=True)
    click.echo("".join(traceback.format_exception(error)), err=True)
    return EXIT_INTERNAL
