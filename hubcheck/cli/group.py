"""The command `hubcheck`: a group that imports only the command that is called."""

from __future__ import annotations

import importlib

import click

from hubcheck._version import __version__

_COMMANDS = ("validate", "show", "explain", "rules", "diff", "replay", "fix", "adapt", "new")


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"hubcheck.cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that is called; suggest one with a similar name if there is none."""
        if args[0] not in _COMMANDS:
            import difflib

            if close := difflib.get_close_matches(args[0], _COMMANDS, 1):
                ctx.fail(f"No such command {args[0]!r}. Did you mean {close[0]!r}?")
        return super().resolve_command(ctx, args)


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hubcheck")
def cli() -> None:
    """Check that TensorFlow image modules follow TF Hub's Common Signatures for Images."""
