"""The command `hubcheck` itself: a group that imports only the command that is called."""

from __future__ import annotations

import importlib
from typing import Any

import click

from hubcheck._version import __version__

_COMMANDS = {
    "validate": "hubcheck.cli.validate",
    "show": "hubcheck.cli.show",
    "explain": "hubcheck.cli.explain",
    "rules": "hubcheck.cli.rules",
    "diff": "hubcheck.cli.diff",
    "replay": "hubcheck.cli.replay",
    "adapt": "hubcheck.cli.adapt",
    "new": "hubcheck.cli.new",
}


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: Any = importlib.import_module(_COMMANDS[cmd_name])
        return command.command  # type: ignore[no-any-return]


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hubcheck")
def cli() -> None:
    """Check that TensorFlow image modules keep the Common Signatures for Images of TF Hub."""
