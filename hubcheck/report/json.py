"""The report that programs read: one document, as rules/schema/report.schema.json describes it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from hubcheck._version import __version__
from hubcheck.engine.findings import Finding, Outcome
from hubcheck.engine.module_report import ModuleReport
from hubcheck.engine.reports import Report
from hubcheck.report.describe import run_notices


def render(report: Report) -> Iterator[str]:
    """The document, indented, with a newline at its end; `notices` are there if there is something to notice."""
    yield f'{{\n "hubcheck": {_text(__version__)},\n "exit_code": {report.exit_code},\n "modules": '
    yield from array(map(module_document, report.modules), depth=1)
    notices = run_notices(report)
    if notices:
        yield f',\n "notices": {_text(notices, margin=" ")}'
    yield "\n}\n"


def array(rows: Iterable[Any], *, depth: int = 0) -> Iterator[str]:
    """An array of JSON, row by row, so indented that it can stand that deep in a document."""
    margin, between = " " * depth, "["
    for row in rows:
        yield f"{between}\n{margin} {_text(row, margin=margin + ' ')}"
        between = ","
    yield "[]" if between == "[" else f"\n{margin}]"


def _text(value: Any, *, margin: str = "") -> str:
    return json.dumps(value, indent=1, ensure_ascii=False).replace("\n", "\n" + margin)


def module_document(module: ModuleReport) -> dict[str, Any]:
    """One module's part of the document. `suppressed` is there only where a configuration or baseline sets it."""
    document: dict[str, Any] = {
        "path": module.path,
        "format": module.format,
        "verdict": module.verdict,
        "devices": [asdict(device) for device in module.devices],
        "outcomes": [_outcome(outcome) for outcome in module.outcomes],
        "findings": [_finding(finding) for finding in module.findings],
        "elapsed_s": module.elapsed_s,
    }
    if module.suppressed:
        document["suppressed"] = [
            {"finding": _finding(item.finding), "kind": item.kind, "reason": item.reason} for item in module.suppressed
        ]
    return document


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {
        "rule": outcome.rule,
        "level": outcome.level,
        "status": outcome.status,
        "decided_by": outcome.decided_by,
        "reason": outcome.reason,
    }


def _finding(finding: Finding) -> dict[str, Any]:
    """A finding; the command that shows it again, if it was seen in a run, stands at the end of the fix."""
    document = asdict(finding)
    replay = document.pop("replay")
    if replay:
        document["fix"] = f"{finding.fix} See it again: {replay}"
    return document
