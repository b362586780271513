"""`hubcheck rules`: the table of all rules."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Iterator, Sequence
from itertools import groupby
from pathlib import Path

import click

from hubcheck.cli import options
from hubcheck.cli.echo import echo, terminal_width
from hubcheck.cli.project import nearest_project
from hubcheck.engine.reports import EXIT_CONFORMS
from hubcheck.report.describe import checked_by
from hubcheck.report.text_lines import LEVEL_COLOURS
from hubcheck.rulebook.rules import Rule, load_rules

_MIN_FOR_CHECKED_BY = 100
"""Columns from which there is room for what a rule is checked by."""


@click.command("rules")
@options.rules
@click.option("--format", "style", type=click.Choice(["text", "json"]), default="text", show_default=True)
@options.color
def command(*, rules: Sequence[Path], style: str) -> int:
    """List all rules, group by group: id, level, and what they require; on a wide terminal also what checks them.

    \b
    hubcheck rules
    hubcheck rules --rules house --format json
    """
    found = load_rules(*nearest_project(rules=rules).rule_folders).values()
    listed = sorted(found, key=lambda rule: rule.id)
    if style == "json":
        from hubcheck.report.json import json_text

        rows = [{"rule": r.id, "level": r.level, "phase": r.phase, "title": r.title, "needs": r.needs} for r in listed]
        echo(json_text(rows))
        return EXIT_CONFORMS
    for line in _lines(listed, terminal_width()):
        echo(line)
    return EXIT_CONFORMS


def _lines(rules: Collection[Rule], width: int) -> Iterator[str]:
    """Yield the rules group by group: id, level, title, and if there is room what they are checked by."""
    ids = max(len(rule.id) for rule in rules)
    wide = width >= _MIN_FOR_CHECKED_BY
    for group, members in groupby(rules, key=lambda rule: rule.group):
        yield click.style(group, bold=True)
        for rule in members:
            checked = f"  {checked_by(rule):10}" if wide else ""
            head = f"  {rule.id:{ids}}  {rule.level:7}{checked}  "
            first, *rest = textwrap.wrap(rule.title, max(width - len(head), 16), break_on_hyphens=False)
            level = click.style(f"{rule.level:7}", fg=LEVEL_COLOURS[rule.level])
            yield f"  {rule.id:{ids}}  {level}{checked}  {first}"
            yield from (" " * len(head) + line for line in rest)
        yield ""
    checked = ", checked by the files of a module, by a run, or both" if wide else ""
    yield click.style(f"{len(rules)} rules{checked}; `hubcheck explain RULE` explains one", dim=True)
