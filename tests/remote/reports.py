"""Check one module, and compare its report with that of the same module elsewhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import hubcheck

GOOD, BAD = "a_good_feature_vector", "e_fixed_batch_1"


def check(location: str | Path, **options: object) -> hubcheck.ModuleReport:
    """Return the report of the static checks of one module."""
    (report,) = hubcheck.validate(location, static=True, **options).modules  # type: ignore[arg-type]
    return report


def results(report: hubcheck.ModuleReport) -> tuple[object, ...]:
    """Return what does not depend on where the module is."""
    findings = [replace(finding, fix_command="") for finding in report.findings]
    return report.format, report.outcomes, findings, report.file
