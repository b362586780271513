"""JSON lines: one for each module, as in the JSON report, and a last one for the whole run."""

from __future__ import annotations

from collections.abc import Iterator

from hubcheck.engine.module_report import ModuleReport
from hubcheck.engine.reports import Report
from hubcheck.report.describe import run_notices
from hubcheck.report.json import json_text, module_document, run_document, summary_document


def render(report: Report) -> Iterator[str]:
    """Yield all lines."""
    yield from map(module_line, report.modules)
    yield last_line(report)


def module_line(module: ModuleReport) -> str:
    """Return the line of one module."""
    return json_text(module_document(module), indent=None) + "\n"


def last_line(report: Report) -> str:
    """Return the line of the whole run: the exit code, and counts over all modules."""
    document = {**run_document(report), "notices": run_notices(report), "summary": summary_document(report.summary)}
    return json_text(document, indent=None) + "\n"
