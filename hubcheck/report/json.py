"""The report that programs read: one document, as rules/schema/report.schema.json describes it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import hubcheck
from hubcheck.findings import Finding, Node, Outcome, Where
from hubcheck.report.describe import remarks
from hubcheck.results import DeviceRun, ModuleReport, Report, Suppressed


def render(report: Report) -> str:
    """The document, indented, with a newline at its end."""
    return json.dumps(document(report), indent=1, ensure_ascii=False) + "\n"


def document(report: Report) -> dict[str, Any]:
    """The report as plain data."""
    return {
        "hubcheck": hubcheck.__version__,
        "exit_code": report.exit_code,
        "modules": [module_document(module) for module in report.modules],
        "notices": remarks(report),
    }


def module_document(module: ModuleReport) -> dict[str, Any]:
    """One module's part of the document."""
    return {
        "path": module.path,
        "format": module.format,
        "verdict": module.verdict,
        "devices": [asdict(device) for device in module.devices],
        "outcomes": [_outcome(outcome) for outcome in module.outcomes],
        "findings": [_finding(finding) for finding in module.findings],
        "suppressed": [
            {"finding": _finding(item.finding), "kind": item.kind, "reason": item.reason} for item in module.suppressed
        ],
        "elapsed_s": module.elapsed_s,
    }


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {
        "rule": outcome.rule,
        "level": outcome.level,
        "status": outcome.status,
        "decided_by": outcome.decided_by,
        "reason": outcome.reason,
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return asdict(finding)


def module_from_document(data: dict[str, Any]) -> ModuleReport:
    """A module's report from its part of a document; what documents leave out has its default."""
    return ModuleReport(
        path=data["path"],
        format=data["format"],
        outcomes=tuple(Outcome(**row) for row in data["outcomes"]),
        findings=tuple(map(_finding_from, data["findings"])),
        devices=tuple(DeviceRun(**row) for row in data["devices"]),
        elapsed_s=data["elapsed_s"],
        suppressed=tuple(
            Suppressed(_finding_from(row["finding"]), row["kind"], row["reason"]) for row in data["suppressed"]
        ),
    )


def _finding_from(data: dict[str, Any]) -> Finding:
    where = data["where"]
    node = Node(**where["node"]) if where["node"] is not None else None
    return Finding(**{**data, "where": Where(**{**where, "node": node})})
