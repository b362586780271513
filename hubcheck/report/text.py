"""The report in a terminal: findings first, then what was skipped and why, then the counts.

Uses click and textwrap instead of rich, whose import alone would take a sixth of a static check's time.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

import click

from hubcheck.engine.findings import Finding
from hubcheck.engine.module_report import ModuleReport, Verdict
from hubcheck.engine.reports import Report, Summary
from hubcheck.report import describe
from hubcheck.rulebook.levels import LEVELS
from hubcheck.util.text import plural, printable, printable_lines

WIDTH = 80
_LEVEL_COLOURS = {"error": "red", "warning": "yellow", "note": "blue"}
_VERDICT_COLOURS = {"conforms": "green", "violates": "red", "incomplete": "yellow"}
_LABEL = 9
_MIN_FOR_TABLES = 10
"""Number of modules from which the summary has tables of rules and modules."""


def render(report: Report, *, width: int = WIDTH) -> Iterator[str]:
    """Yield the whole report as plain text."""
    for module in report.modules:
        yield from map(plain, module_lines(module, width=width))
    yield from map(plain, summary_lines(report))


def plain(lines: str) -> str:
    """Return styled lines as plain text that is safe to print, with a line end."""
    return printable_lines(click.unstyle(lines)) + "\n"


def module_lines(module: ModuleReport, *, width: int = WIDTH) -> Iterator[str]:
    """Yield one module: its verdict, findings, skipped rules and counts, styled for a terminal."""
    verdict = click.style(describe.display_name(module.verdict), fg=_VERDICT_COLOURS[module.verdict], bold=True)
    path = click.style(printable(module.path), bold=True)
    yield f"{path}  {click.style(describe.FORMAT_NAMES[module.format], dim=True)}  {verdict}"
    for finding in module.findings:
        yield from finding_lines(finding, width)
    for label, text in _remarks(module):
        yield from labelled(label, text, indent=2, width=width)
    for outcome in describe.crashes(module):
        yield click.style(f"  {outcome.crash_title}:", fg="red", bold=True)
        yield textwrap.indent(printable_lines(outcome.reason or ""), "    ")
    when = "(cached)" if module.from_cache else f"in {module.elapsed_s:.2f} s"
    yield click.style(f"  {describe.counts(module.outcomes)} {when}", dim=True)
    yield ""


def summary_lines(report: Report) -> Iterator[str]:
    """Yield the last lines: why the run is incomplete, tables for many modules, and the verdicts of all."""
    for notice in describe.run_notices(report):
        yield click.style(printable_lines(notice), fg="yellow", bold=True)
    summary = report.summary
    if summary.modules < 2:
        return
    if summary.modules >= _MIN_FOR_TABLES:
        yield from _tables(summary)
    verdicts: tuple[Verdict, ...] = ("conforms", "violates", "incomplete")
    shown = [
        click.style(f"{count} {describe.display_name(verdict)}", fg=_VERDICT_COLOURS[verdict], bold=True)
        for verdict in verdicts
        if (count := summary.verdicts[verdict])
    ]
    found = ", ".join(plural(count, level) for level in LEVELS if (count := summary.levels[level])) or "no findings"
    cached = f" ({summary.cached} cached)" if summary.cached else ""
    unchecked = f"; {plural(summary.unchecked, 'rule')} not checked" if summary.unchecked else ""
    yield f"{plural(summary.modules, 'module')}{cached}: {', '.join(shown)}; {found}{unchecked}"


def _tables(summary: Summary) -> Iterator[str]:
    """Yield the failed rules, and the worst modules."""
    if summary.rules:
        yield click.style(f"{'modules':>9} {'findings':>9}  rule", bold=True)
        for row in summary.rules:
            level = click.style(row.level, fg=_LEVEL_COLOURS[row.level])
            yield f"{row.modules:9} {row.findings:9}  {level} {row.rule}"
        yield ""
    if summary.worst:
        yield click.style(f"{'errors':>9} {'others':>9}  worst modules", bold=True)
        for module in summary.worst:
            yield f"{module.errors:9} {module.others:9}  {printable(module.path)}"
        yield ""


def labelled(label: str, text: str, *, indent: int, width: int = WIDTH) -> Iterator[str]:
    """Yield a label and a text beside it, wrapped to `width`; line breaks of the text are kept."""
    margin = " " * (indent + max(_LABEL, len(label) + 1))
    lines = [
        line
        for part in printable_lines(text).split("\n")
        for line in textwrap.wrap(part, max(width - len(margin), 20), break_on_hyphens=False) or [""]
    ]
    yield f"{' ' * indent}{click.style(label, dim=True)}{margin[indent + len(label) :]}{lines[0]}".rstrip()
    yield from (margin + line for line in lines[1:])


def finding_lines(finding: Finding, width: int = WIDTH) -> Iterator[str]:
    """Yield one finding: level, rule and location; what is wrong; found, wanted, fix, source."""
    level = click.style(finding.level, fg=_LEVEL_COLOURS[finding.level], bold=True)
    head, where = f"  {level} {click.style(finding.rule, bold=True)}", printable_lines(describe.location(finding.where))
    if len(click.unstyle(head)) + 3 + len(where) <= width:
        yield f"{head}   {click.style(where, dim=True)}"
    else:
        yield head
        for line in textwrap.wrap(where, width - 4, break_on_hyphens=False):
            yield f"    {click.style(line, dim=True)}"
    yield from textwrap.wrap(
        printable_lines(finding.message), width, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False
    )
    for label, text in describe.finding_rows(finding):
        # A command is not wrapped, so that it can be copied.
        room = max(width, len(text) + 20) if label in ("again", "or run") else width
        yield from labelled(label, text, indent=4, width=room)


def _remarks(module: ModuleReport) -> Iterator[tuple[str, str]]:
    """Yield label and text of what a report says below the findings."""
    for word, reason, rules in describe.grouped_reasons(module):
        everything = word == "skipped" and len(rules) == len(module.outcomes) > 1
        text = f"all {len(rules)} rules" if everything else ", ".join(rules)
        yield word, f"{text}: {reason}" if word in describe.SUPPRESSIONS.values() else f"{reason}: {text}"
    yield from describe.unchecked_lines(module)
    for device in module.devices:
        if not device.ran and device.reason and not device.reason.startswith("not run"):
            yield device.name, f"not run: {device.reason}"
    yield from describe.sandbox_lines(module)
