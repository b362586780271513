"""Workflow commands of GitHub Actions: printed by a job, they annotate the commit or pull request that it runs for."""

from __future__ import annotations

from collections.abc import Iterator

from hubcheck.engine.reports import Report
from hubcheck.report import describe
from hubcheck.util.text import printable_lines

_COMMANDS = {"error": "error", "warning": "warning", "note": "notice"}
_IN_DATA = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_IN_PROPERTY = _IN_DATA | str.maketrans({":": "%3A", ",": "%2C"})


def render(report: Report) -> Iterator[str]:
    """Yield a command for each finding, and one for each module: verdict, suppressed and skipped rules."""
    for module in report.modules:
        file = describe.annotated_file(module)
        for finding in module.findings:
            text, title = describe.finding_text(module, finding), f"hubcheck {finding.rule}"
            yield _command(_COMMANDS[finding.level], text, file=file, line="1", title=title)
        summary = [f"{describe.display_name(module.verdict)}: {describe.counts(module)}"]
        summary += [f"{word}: {', '.join(rules)}: {why}" for word, why, rules in describe.grouped_reasons(module)]
        remarks = [*describe.unchecked_lines(module), *describe.sandbox_lines(module)]
        summary += [f"{word}: {text}" for word, text in remarks]
        yield _command("notice", "\n".join(summary), title=f"hubcheck {module.key}")
        for outcome in describe.crashes(module):
            yield _command("error", outcome.reason or "", title=outcome.crash_title)
    yield _command("notice", describe.totals(report), title="hubcheck")
    yield from (_command("warning", notice, title="hubcheck") for notice in describe.run_notices(report))


def _command(name: str, text: str, **properties: str) -> str:
    """Return one command.

    Source: GitHub's toolkit, packages/core/src/command.ts: what is escaped in data and in properties.
    """
    shown = ",".join(f"{key}={printable_lines(value).translate(_IN_PROPERTY)}" for key, value in properties.items())
    return f"::{name} {shown}::{printable_lines(text).translate(_IN_DATA)}\n"
