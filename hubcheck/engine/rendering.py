"""What renders reports. It is above this package, so it is found by name when a report is asked for a text."""

from __future__ import annotations

import importlib
from typing import Any


def formats() -> Any:
    """Return hubcheck.report.formats."""
    return importlib.import_module("hubcheck.report.formats")


def notebook() -> Any:
    """Return hubcheck.report.notebook."""
    return importlib.import_module("hubcheck.report.notebook")
