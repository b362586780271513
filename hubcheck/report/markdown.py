"""Markdown, for the summary of a job or a comment on a change."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hubcheck.engine.findings import Finding
from hubcheck.engine.module_report import ModuleReport
from hubcheck.engine.reports import Report
from hubcheck.report.describe import (
    FORMATS,
    SUPPRESSIONS,
    counts,
    finding_rows,
    location,
    partly_decided,
    plural,
    run_notices,
    skip_reasons,
    suppressed_rules,
)

_SIGNS = {"conforms": "✅", "violates": "❌", "incomplete": "⚠️", "error": "❌", "warning": "⚠️", "note": "ℹ️"}
_MARKUP = re.compile(r"([\\`*_{}\[\]<>()#+!|~@&-])")


def render(report: Report) -> Iterator[str]:
    """A table of the modules, then a section for each with what is to be told of it."""
    yield from (line + "\n" for line in _lines(report))


def _lines(report: Report) -> Iterator[str]:
    yield "## hubcheck"
    yield ""
    yield from (f"> {escaped(remark)}\n>" for remark in run_notices(report))
    yield from ("", "| module | format | verdict | rules |", "|---|---|---|---|")
    for module in report.modules:
        cells = (
            f"`{code(module.key)}`",
            FORMATS[module.format],
            _verdict(module),
            counts(module),
        )
        yield f"| {' | '.join(cells)} |"
    for module in report.modules:
        yield ""
        yield from _section(module, report)


def _verdict(module: ModuleReport) -> str:
    return f"{_SIGNS[module.verdict]} {module.verdict}"


def _section(module: ModuleReport, report: Report) -> Iterator[str]:
    key = code(module.key)
    found = plural(len(module.findings), "finding") if module.findings else "no findings"
    yield f"### {_verdict(module)}: `{key}`, {found}"
    yield ""
    for finding in module.findings:
        yield from _finding(finding)
    for outcome in module.outcomes:
        if outcome.status == "broken":
            yield f"**{outcome.crash_title}.**"
            yield ""
    aside = [
        f"- {SUPPRESSIONS[kind]}: {', '.join(f'`{rule}`' for rule in rules)}: {escaped(reason)}"
        for (kind, reason), rules in suppressed_rules(module.suppressed).items()
    ]
    skipped = [
        f"- skipped: {', '.join(f'`{rule}`' for rule in rules)}: {escaped(reason)}"
        for reason, rules in skip_reasons(module.outcomes).items()
    ]
    skipped += [
        f"- passed: {', '.join(f'`{rule}`' for rule in rules)}: {escaped(reason)}"
        for reason, rules in partly_decided(module.outcomes).items()
    ]
    if aside or skipped:
        yield "<details><summary>Not counted, and not decided</summary>"
        yield ""
        yield from (*aside, *skipped)
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
    """Text in which nothing is markup, be it of a hostile module."""
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))


def code(text: str) -> str:
    """Text to stand between backticks, in a table too."""
    return " ".join(text.split()).replace("`", "'").replace("|", "\\|")
