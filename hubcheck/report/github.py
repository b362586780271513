"""Workflow commands of GitHub Actions: printed by a job, they annotate the commit or pull request that it runs for."""

from __future__ import annotations

from collections.abc import Iterator

from hubcheck.engine.module_report import ModuleReport
from hubcheck.engine.reports import Report
from hubcheck.report.describe import (
    annotated_file,
    counts,
    display_name,
    finding_text,
    grouped_reasons,
    run_notices,
    unchecked_lines,
)

_COMMANDS = {"error": "error", "warning": "warning", "note": "notice"}


def render(report: Report) -> Iterator[str]:
    """Yield a command for each finding, and one for each module: verdict, suppressed and skipped rules."""
    for module in report.modules:
        yield from _module(module)
    yield from (_command("warning", notice, title="hubcheck") for notice in run_notices(report))


def _module(module: ModuleReport) -> Iterator[str]:
    file = annotated_file(module)
    for finding in module.findings:
        text, title = finding_text(module, finding), f"hubcheck {finding.rule}"
        yield _command(_COMMANDS[finding.level], text, file=file, line="1", title=title)
    summary = [f"{display_name(module.verdict)}: {counts(module.outcomes)}"]
    summary += [f"{word}: {', '.join(rules)}: {reason}" for word, reason, rules in grouped_reasons(module)]
    summary += [f"{word}: {text}" for word, text in unchecked_lines(module)]
    yield _command("notice", "\n".join(summary), title=f"hubcheck {module.key}")
    for outcome in module.outcomes:
        if outcome.status == "broken":
            yield _command("error", outcome.reason or "", title=outcome.crash_title)


def _command(name: str, text: str, **properties: str) -> str:
    """Return one command.

    Source: GitHub's toolkit, packages/core/src/command.ts: what is escaped in data and in properties.
    """
    data = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    shown = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::{name} {shown}::{data}\n"


def _property(value: str) -> str:
    for plain, escaped in (("%", "%25"), ("\r", "%0D"), ("\n", "%0A"), (":", "%3A"), (",", "%2C")):
        value = value.replace(plain, escaped)
    return value
