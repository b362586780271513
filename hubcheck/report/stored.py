"""A module's report as data and back, with nothing lost: for processes of one run that share their work."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from hubcheck.findings import Finding, Node, Outcome, Where
from hubcheck.results import DeviceRun, ModuleReport, Suppressed


def to_data(module: ModuleReport) -> dict[str, Any]:
    """Plain data, fit for JSON."""
    return asdict(module)


def from_data(data: dict[str, Any]) -> ModuleReport:
    """The report that `to_data` was given."""
    protections = data["protections"]
    parts = {
        "outcomes": tuple(Outcome(**row) for row in data["outcomes"]),
        "findings": tuple(map(_finding, data["findings"])),
        "devices": tuple(DeviceRun(**row) for row in data["devices"]),
        "protections": tuple(protections) if protections is not None else None,
        "suppressed": tuple(
            Suppressed(_finding(row["finding"]), row["kind"], row["reason"]) for row in data["suppressed"]
        ),
    }
    return ModuleReport(**{**data, **parts})


def _finding(data: dict[str, Any]) -> Finding:
    where = data["where"]
    node = Node(**where["node"]) if where["node"] is not None else None
    return Finding(**{**data, "where": Where(**{**where, "node": node})})
