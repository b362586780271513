"""`hubcheck rules`: the table of all rules."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from hubcheck.config.rule_folders import folders_at_hand
from hubcheck.rulebook.rules import load_rules


@click.command("rules")
@click.option(
    "--rules",
    "folders",
    multiple=True,
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder with rules of your own, listed too.",
)
@click.option("--format", "style", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(*, folders: Sequence[Path], style: str) -> int:
    """List all rules: id, level, what decides them, and what holds when they are kept.

    \b
    hubcheck rules
    hubcheck rules --rules house --format json
    """
    rules = load_rules(*folders_at_hand(folders)).values()
    if style == "json":
        import json

        rows = [{"rule": r.id, "level": r.level, "phase": r.phase, "title": r.title, "needs": r.needs} for r in rules]
        click.echo(json.dumps(rows, indent=1))
        return 0
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("rule", "level", "decided by", "holds when"):
        table.add_column(name, overflow="fold")
    for rule in rules:
        table.add_row(rule.id, rule.level, rule.phase, rule.title)
    out = Console(highlight=False, markup=False)
    out.print(table)
    out.print(f"{len(rules)} rules; `hubcheck explain RULE` tells more of one.", style="dim")
    return 0
