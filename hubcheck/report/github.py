"""Workflow commands of GitHub Actions: printed by a job, they annotate the change that it runs for."""

from __future__ import annotations

from collections.abc import Iterator

from hubcheck.engine.findings import Finding
from hubcheck.engine.module_report import ModuleReport
from hubcheck.engine.reports import Report
from hubcheck.report.describe import (
    SUPPRESSIONS,
    annotated_file,
    counts,
    finding_rows,
    location,
    partly_decided,
    run_notices,
    skip_reasons,
    suppressed_rules,
)

_COMMANDS = {"error": "error", "warning": "warning", "note": "notice"}


def render(report: Report) -> Iterator[str]:
    """One command for each finding, and for each module the verdict, with what was skipped and set aside."""
    for module in report.modules:
        yield from (line + "\n" for line in _module(module, report))
    yield from (_command("warning", remark, title="hubcheck") + "\n" for remark in run_notices(report))


def _module(module: ModuleReport, report: Report) -> list[str]:
    key = module.key
    lines = [_finding(finding, key, annotated_file(module, report)) for finding in module.findings]
    told = [f"{module.verdict}: {counts(module)}"]
    told += [
        f"{SUPPRESSIONS[kind]}: {', '.join(rules)}: {reason}"
        for (kind, reason), rules in suppressed_rules(module.suppressed).items()
    ]
    told += [f"skipped: {', '.join(rules)}: {reason}" for reason, rules in skip_reasons(module.outcomes).items()]
    told += [f"passed: {', '.join(rules)}: {reason}" for reason, rules in partly_decided(module.outcomes).items()]
    lines.append(_command("notice", "\n".join(told), title=f"hubcheck {key}"))
    lines += [
        _command("error", outcome.reason or "", title=outcome.crash_title)
        for outcome in module.outcomes
        if outcome.status == "broken"
    ]
    return lines


def _finding(finding: Finding, key: str, file: str) -> str:
    text = "\n".join(
        [
            f"{key}: {location(finding.where)}: {finding.message}",
            *(f"{label}: {text}" for label, text in finding_rows(finding)),
        ]
    )
    return _command(_COMMANDS[finding.level], text, file=file, line="1", title=f"hubcheck {finding.rule}")


def _command(name: str, text: str, **properties: str) -> str:
    """Source: GitHub's toolkit, packages/core/src/command.ts: what is escaped in data and in properties."""
    data = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    shown = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::{name} {shown}::{data}"


def _property(value: str) -> str:
    for plain, escaped in (("%", "%25"), ("\r", "%0D"), ("\n", "%0A"), (":", "%3A"), (",", "%2C")):
        value = value.replace(plain, escaped)
    return value
