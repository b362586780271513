"""GitLab's code quality report: the findings that count, with fingerprints that are the same in later runs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from hubcheck.engine.identity import fingerprints
from hubcheck.engine.module_report import ModuleReport
from hubcheck.engine.reports import Report
from hubcheck.report.describe import annotated_file, location, unchecked_lines
from hubcheck.report.json import array

_SEVERITIES = {"error": "major", "warning": "minor", "note": "info"}


def render(report: Report) -> Iterator[str]:
    """Yield the array for a job's artifact `reports: codequality`.

    It has no place for a verdict. What was not checked because of a fault that does not count is an entry of its own.
    """
    yield from array(row for module in report.modules for row in _rows(module))
    yield "\n"


def _rows(module: ModuleReport) -> list[dict[str, Any]]:
    prints = fingerprints(module, module.key)
    location_of_module = {"path": annotated_file(module), "lines": {"begin": 1}}
    findings = [
        {
            "description": f"{module.key}: {location(finding.where)}: {finding.message}. {finding.fix}".strip(),
            "check_name": finding.rule,
            "fingerprint": prints[finding],
            "severity": _SEVERITIES[finding.level],
            "location": location_of_module,
        }
        for finding in module.findings
    ]
    unchecked = [
        {
            "description": f"{module.key}: {text}",
            "check_name": row.need,
            "fingerprint": hashlib.sha256(
                f"{module.key}\nunchecked\n{row.need}".encode("utf-8", "surrogateescape")
            ).hexdigest()[:32],
            "severity": "info" if row.accepted else "minor",
            "location": location_of_module,
        }
        for row, (_, text) in zip(module.unchecked, unchecked_lines(module), strict=True)
    ]
    return findings + unchecked
