"""One line of JSON for each module, as the JSON report has it, and a last one for the whole run."""

from __future__ import annotations

import json

import hubcheck
from hubcheck.report.describe import remarks
from hubcheck.report.json import module_document
from hubcheck.results import ModuleReport, Report


def render(report: Report) -> str:
    """All lines."""
    return "".join([*map(module_line, report.modules), last_line(report)])


def module_line(module: ModuleReport) -> str:
    """The line of one module."""
    return json.dumps(module_document(module), ensure_ascii=False) + "\n"


def last_line(report: Report) -> str:
    """The line of the whole run, which is the only one with an exit code."""
    whole = {"hubcheck": hubcheck.__version__, "exit_code": report.exit_code, "notices": remarks(report)}
    return json.dumps(whole, ensure_ascii=False) + "\n"
