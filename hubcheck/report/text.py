"""The report in a terminal: one line for a module that conforms, the findings of others, and what concerns all of them.

What was skipped, suppressed and enforced is said once at the end of the run (report/run_text.py), or for each module if
the text is verbose.
"""

from __future__ import annotations

from collections.abc import Iterator

import click

from hubcheck.engine.module_report import ModuleReport
from hubcheck.engine.reports import Report
from hubcheck.report import describe
from hubcheck.report.run_text import TextReport
from hubcheck.report.text_lines import TextStyle, finding_lines, labelled
from hubcheck.util.text import printable, printable_lines

SIGNS = {"conforms": "✓", "violates": "✗", "incomplete": "?"}
_COLOURS = {"conforms": "green", "violates": "red", "incomplete": "yellow"}


def render(report: Report, style: TextStyle | None = None) -> Iterator[str]:
    """Yield the whole report as plain text."""
    return TextReport(module_lines, style or TextStyle()).render(report)


def module_lines(module: ModuleReport, style: TextStyle) -> Iterator[str]:
    """Yield one module, styled for a terminal: its verdict and counts, then the findings, then why it is incomplete."""
    if style.quiet and module.verdict == "conforms":
        return
    sign = click.style(SIGNS[module.verdict], fg=_COLOURS[module.verdict], bold=True)
    words = [click.style(printable(module.path), bold=True)]
    if style.verbose:
        words.append(click.style(describe.FORMAT_NAMES[module.format], dim=True))
    if module.verdict == "incomplete":
        words.append(click.style("incomplete", fg="yellow", bold=True))
    took = "cached" if module.from_cache else describe.duration(module.elapsed_s)
    words += [describe.counts(module), click.style(took, dim=True)]
    yield f"{sign} {'  '.join(words)}"
    only_failures = style.quiet or (style.folded and module.verdict == "conforms")
    shown = module.failures if only_failures else module.findings
    lines = [line for finding in shown for line in finding_lines(finding, style.width)]
    remarks = _remarks(module) if style.verbose else (("incomplete", text) for text in describe.undecided(module))
    for label, text in remarks:
        lines += labelled(label, text, indent=2, width=style.width)
    for outcome in describe.crashes(module):
        lines.append(click.style(f"  {outcome.crash_title}:", fg="red", bold=True))
        lines += [f"    {line}".rstrip() for line in printable_lines(outcome.reason or "").splitlines()]
    yield from [*lines, ""] if lines else []


def _remarks(module: ModuleReport) -> Iterator[tuple[str, str]]:
    """Yield label and text of what a verbose report says below the findings."""
    for word, reason, rules in describe.grouped_reasons(module):
        everything = word == "skipped" and len(rules) == len(module.outcomes) > 1
        text = f"all {len(rules)} rules" if everything else ", ".join(rules)
        yield word, f"{text}: {reason}"
    yield from describe.unchecked_lines(module)
    yield from describe.absent_devices(module)
    yield from describe.sandbox_lines(module)
