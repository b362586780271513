"""GitLab's code quality report: the findings that count, each with a fingerprint that outlives the run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hubcheck.engine.identity import fingerprints
from hubcheck.engine.module_report import ModuleReport
from hubcheck.engine.reports import Report
from hubcheck.report.describe import annotated_file, location
from hubcheck.report.json import array

_SEVERITIES = {"error": "major", "warning": "minor", "note": "info"}


def render(report: Report) -> Iterator[str]:
    """The array that a job keeps as its artifact `reports: codequality`."""
    yield from array(row for module in report.modules for row in _rows(module, report))
    yield "\n"


def _rows(module: ModuleReport, report: Report) -> list[dict[str, Any]]:
    names = fingerprints(module, module.key)
    key = module.key
    return [
        {
            "description": f"{key}: {location(finding.where)}: {finding.message}. {finding.fix}".strip(),
            "check_name": finding.rule,
            "fingerprint": names[finding],
            "severity": _SEVERITIES[finding.level],
            "location": {"path": annotated_file(module, report), "lines": {"begin": 1}},
        }
        for finding in module.findings
    ]
