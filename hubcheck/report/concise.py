"""One line for each finding, `path: level rule: message`, and the last lines of the text."""

from __future__ import annotations

from collections.abc import Iterator

import click

from hubcheck.engine.module_report import ModuleReport
from hubcheck.engine.reports import Report
from hubcheck.report import describe
from hubcheck.report.run_text import TextReport
from hubcheck.report.text_lines import LEVEL_COLOURS, TextStyle
from hubcheck.util.text import printable


def render(report: Report) -> Iterator[str]:
    """Yield the whole report as plain text."""
    return TextReport(module_lines, TextStyle()).render(report)


def module_lines(module: ModuleReport, style: TextStyle) -> Iterator[str]:
    """Yield the findings of one module, and why it is incomplete; of a quiet report only what fails."""
    path = click.style(printable(module.path), bold=True)
    for finding in module.failures if style.quiet else module.findings:
        level = click.style(finding.level, fg=LEVEL_COLOURS[finding.level], bold=True)
        fixable = " [fixable]" if finding.is_fixable else ""
        yield f"{path}: {level} {finding.rule}: {finding.message}{fixable}"
    for outcome in describe.crashes(module):
        yield f"{path}: {click.style('crashed', fg='red', bold=True)} {outcome.rule}: {outcome.crash_title}"
    for text in describe.undecided(module):
        yield f"{path}: {click.style('incomplete', fg='yellow', bold=True)}: {text}"
