"""`hubcheck rules`: the table of all rules."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from hubcheck.cli import options
from hubcheck.cli.echo import echo
from hubcheck.cli.project import nearest_project
from hubcheck.engine.reports import EXIT_CONFORMS
from hubcheck.report.describe import checked_by
from hubcheck.rulebook.rules import load_rules


@click.command("rules")
@options.rules
@click.option("--format", "style", type=click.Choice(["text", "json"]), default="text", show_default=True)
@options.color
def command(*, rules: Sequence[Path], style: str) -> int:
    """List all rules: id, level, what they are checked by, and what they require.

    \b
    hubcheck rules
    hubcheck rules --rules house --format json
    """
    listed = load_rules(*nearest_project(rules=rules).rule_folders).values()
    if style == "json":
        from hubcheck.report.json import json_text

        rows = [{"rule": r.id, "level": r.level, "phase": r.phase, "title": r.title, "needs": r.needs} for r in listed]
        echo(json_text(rows))
        return EXIT_CONFORMS
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("rule", "level", "checked by", "requires"):
        table.add_column(name, overflow="fold")
    for rule in listed:
        table.add_row(rule.id, rule.level, checked_by(rule), rule.title)
    console = Console(highlight=False, markup=False)
    console.print(table)
    console.print(f"{len(listed)} rules; `hubcheck explain RULE` explains one", style="dim")
    return EXIT_CONFORMS
