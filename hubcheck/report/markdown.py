"""Markdown, for the summary of a job or a comment on a change."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hubcheck.engine.findings import Finding
from hubcheck.engine.module_report import ModuleReport
from hubcheck.engine.reports import Report
from hubcheck.report.describe import (
    FORMAT_NAMES,
    counts,
    display_name,
    finding_rows,
    grouped_reasons,
    location,
    run_notices,
    unchecked_lines,
)
from hubcheck.util.text import plural

_SIGNS = {"conforms": "✅", "violates": "❌", "incomplete": "⚠️", "error": "❌", "warning": "⚠️", "note": "ℹ️"}
_MARKUP = re.compile(r"([\\`*_{}\[\]<>()#+!|~@&-])")


def render(report: Report) -> Iterator[str]:
    """Yield a table of the modules, then a section for each."""
    yield from (line + "\n" for line in _lines(report))


def _lines(report: Report) -> Iterator[str]:
    yield "## hubcheck"
    yield ""
    yield from (f"> {escaped(notice)}\n>" for notice in run_notices(report))
    yield from ("", "| module | format | verdict | rules |", "|---|---|---|---|")
    for module in report.modules:
        cells = (f"`{code(module.key)}`", FORMAT_NAMES[module.format], _verdict(module), counts(module.outcomes))
        yield f"| {' | '.join(cells)} |"
    for module in report.modules:
        yield ""
        yield from _section(module)


def _verdict(module: ModuleReport) -> str:
    return f"{_SIGNS[module.verdict]} {display_name(module.verdict)}"


def _section(module: ModuleReport) -> Iterator[str]:
    found = plural(len(module.findings), "finding") if module.findings else "no findings"
    yield f"### {_verdict(module)}: `{code(module.key)}`, {found}"
    yield ""
    for finding in module.findings:
        yield from _finding(finding)
    for outcome in module.outcomes:
        if outcome.status == "broken":
            yield f"**{outcome.crash_title}.**"
            yield ""
    for word, text in unchecked_lines(module):
        yield f"- {word}: {escaped(text)}"
    if module.unchecked:
        yield ""
    not_decided = grouped_reasons(module)
    if not_decided:
        yield "<details><summary>Suppressed and skipped rules</summary>"
        yield ""
        for word, reason, rules in not_decided:
            yield f"- {word}: {', '.join(f'`{rule}`' for rule in rules)}: {escaped(reason)}"
        yield ""
        yield "</details>"


def _finding(finding: Finding) -> Iterator[str]:
    yield f"- {_SIGNS[finding.level]} **{finding.level} `{finding.rule}`** {escaped(location(finding.where))}  "
    yield f"  {escaped(finding.message)}"
    for label, text in finding_rows(finding):
        shown = f"`{code(text)}`" if label in ("found", "wanted", "again") else escaped(text)
        yield f"  - {label}: {shown}"
    yield ""


def escaped(text: str) -> str:
    """Return text with all markup escaped: names of a module may be hostile."""
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))


def code(text: str) -> str:
    """Return text that can be between backticks, in a table too."""
    return " ".join(text.split()).replace("`", "'").replace("|", "\\|")
