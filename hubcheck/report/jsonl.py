"""JSON lines: one for each module, as in the JSON report, and a last one for the whole run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from hubcheck._version import __version__
from hubcheck.engine.module_report import ModuleReport
from hubcheck.engine.reports import Report
from hubcheck.report.describe import run_notices
from hubcheck.report.json import json_text, module_document


def render(report: Report) -> Iterator[str]:
    """Yield all lines."""
    yield from map(module_line, report.modules)
    yield last_line(report)


def module_line(module: ModuleReport) -> str:
    """Return the line of one module."""
    return json_text(module_document(module), indent=None) + "\n"


def last_line(report: Report) -> str:
    """Return the line of the whole run: the exit code, and counts over all modules."""
    summary = report.summary
    counts = {
        "modules": summary.modules,
        "known": summary.cached,
        "unchecked": summary.unchecked,
        "verdicts": summary.verdicts,
        "levels": summary.levels,
        "rules": [asdict(row) for row in summary.rules],
        "worst": [{"path": module.path, "errors": module.errors, "others": module.others} for module in summary.worst],
    }
    run = {"exit_code": report.exit_code, "convention": report.convention, "notices": run_notices(report)}
    return json_text({"hubcheck": __version__, **run, "summary": counts}, indent=None) + "\n"
