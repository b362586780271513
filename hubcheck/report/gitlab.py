"""GitLab's code quality report: the findings that count, with fingerprints that are the same in later runs."""

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
    """Yield the array for a job's artifact `reports: codequality`."""
    yield from array(row for module in report.modules for row in _rows(module))
    yield "\n"


def _rows(module: ModuleReport) -> list[dict[str, Any]]:
    prints = fingerprints(module, module.key)
    return [
        {
            "description": f"{module.key}: {location(finding.where)}: {finding.message}. {finding.fix}".strip(),
            "check_name": finding.rule,
            "fingerprint": prints[finding],
            "severity": _SEVERITIES[finding.level],
            "location": {"path": annotated_file(module), "lines": {"begin": 1}},
        }
        for finding in module.findings
    ]
