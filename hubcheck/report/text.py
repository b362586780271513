"""The report that people read in a terminal: findings first, then what was skipped and why, then the counts.

Written with click and textwrap instead of rich, whose import alone would take a sixth of a static check's time.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

import click

from hubcheck.findings import LEVELS, Finding
from hubcheck.plain_text import printable
from hubcheck.report.describe import (
    FORMATS,
    SUPPRESSIONS,
    counts,
    details,
    place,
    plural,
    remarks,
    set_aside,
    skip_reasons,
)
from hubcheck.results import ModuleReport, Report

WIDTH = 80
_COLOURS = {
    "error": "red",
    "warning": "yellow",
    "note": "blue",
    "conforms": "green",
    "violates": "red",
    "incomplete": "yellow",
}
_LABEL = 9


def render(report: Report, *, width: int = WIDTH) -> str:
    """The whole report as plain text."""
    lines = [line for module in report.modules for line in module_lines(module, width=width)]
    return click.unstyle("\n".join([*lines, *summary_lines(report)]) + "\n")


def module_lines(module: ModuleReport, *, width: int = WIDTH) -> Iterator[str]:
    """One module: its verdict, its findings, its skips, its counts; styled for a terminal."""
    verdict = click.style(module.verdict, fg=_COLOURS[module.verdict], bold=True)
    path = click.style(printable(module.path), bold=True)
    yield f"{path}  {click.style(FORMATS[module.format], dim=True)}  {verdict}"
    for finding in module.findings:
        yield from finding_lines(finding, width)
    for name, text in _remarks(module):
        yield from labelled(name, text, indent=2, width=width)
    for outcome in module.outcomes:
        if outcome.status == "broken":
            yield click.style(f"  internal error in rule {outcome.rule}; please report it:", fg="red", bold=True)
            yield textwrap.indent(outcome.reason or "", "    ")
    yield click.style(f"  {counts(module)} in {module.elapsed_s:.2f} s", dim=True)
    yield ""


def summary_lines(report: Report) -> Iterator[str]:
    """The last lines: verdicts over all modules, and what keeps the whole from being complete."""
    for remark in remarks(report):
        yield click.style(remark, fg="yellow", bold=True)
    if len(report.modules) < 2:
        return
    verdicts = [module.verdict for module in report.modules]
    words = {"conforms": "conform", "violates": "violate", "incomplete": "incomplete"}
    shown = [
        click.style(f"{count} {verdict if count == 1 else several}", fg=_COLOURS[verdict], bold=True)
        for verdict, several in words.items()
        if (count := verdicts.count(verdict))  # type: ignore[arg-type]
    ]
    levels = [(level, sum(finding.level == level for finding in report.findings)) for level in LEVELS]
    found = ", ".join(plural(count, level) for level, count in levels if count) or "no findings"
    yield f"{plural(len(verdicts), 'module')}: {', '.join(shown)}; {found}"


def labelled(label: str, text: str, *, indent: int, width: int = WIDTH) -> Iterator[str]:
    """A label and a text beside it, wrapped below itself; line breaks of the text are kept."""
    margin = " " * (indent + max(_LABEL, len(label) + 1))
    lines = [
        line
        for part in text.splitlines() or [""]
        for line in textwrap.wrap(part, max(width - len(margin), 20), break_on_hyphens=False) or [""]
    ]
    yield f"{' ' * indent}{click.style(label, dim=True)}{margin[indent + len(label) :]}{lines[0]}".rstrip()
    yield from (margin + line for line in lines[1:])


def finding_lines(finding: Finding, width: int = WIDTH) -> Iterator[str]:
    """One finding: level, rule and place; what is wrong; found, wanted, fix, source."""
    level = click.style(finding.level, fg=_COLOURS[finding.level], bold=True)
    head, where = f"  {level} {click.style(finding.rule, bold=True)}", place(finding.where)
    if len(click.unstyle(head)) + 3 + len(where) <= width:
        yield f"{head}   {click.style(where, dim=True)}"
    else:
        yield head
        for line in textwrap.wrap(where, width - 4, break_on_hyphens=False):
            yield f"    {click.style(line, dim=True)}"
    yield from textwrap.wrap(
        finding.message, width, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False
    )
    for label, text in details(finding):
        # A command is not wrapped: it is there to be copied.
        room = max(width, len(text) + 20) if label == "again" else width
        yield from labelled(label, text, indent=4, width=room)


def _remarks(module: ModuleReport) -> Iterator[tuple[str, str]]:
    for (kind, reason), rules in set_aside(module.suppressed).items():
        yield SUPPRESSIONS[kind], f"{', '.join(rules)}: {reason}"
    for reason, rules in skip_reasons(module.outcomes).items():
        yield "skipped", f"{reason}: {', '.join(rules)}"
    for device in module.devices:
        if not device.ran and device.reason and not device.reason.startswith("not run"):
            yield device.name, f"not run: {device.reason}"
    if module.protections is not None:
        yield "sandbox", ", ".join(module.protections) or "none"
