"""The report for programs: one document, valid against rules/schema/report.schema.json."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from hubcheck._version import __version__
from hubcheck.engine.findings import Finding, Outcome
from hubcheck.engine.history import History
from hubcheck.engine.module_report import ModuleReport
from hubcheck.engine.reports import Report, Summary
from hubcheck.report.describe import run_notices
from hubcheck.rulebook.levels import LEVELS
from hubcheck.util.text import printable_json


def render(report: Report) -> Iterator[str]:
    """Yield the document, indented; it has `notices` only if there are any."""
    head = _text({**run_document(report), "summary": summary_document(report.summary)})
    yield head.removesuffix("\n}") + ',\n "modules": '
    yield from array(map(module_document, report.modules), depth=1)
    notices = run_notices(report)
    if notices:
        yield f',\n "notices": {_text(notices, margin=" ")}'
    yield "\n}\n"


def run_document(report: Report) -> dict[str, Any]:
    """Return what concerns the whole run, in the JSON report and in the last of the JSON lines."""
    return {
        "hubcheck": __version__,
        "exit_code": report.exit_code,
        "created": report.created,
        "tensorflow": report.tensorflow,
        "convention": report.convention,
        **({"baseline": report.baseline} if report.baseline is not None else {}),
        **({"history": history_document(report.history)} if report.history is not None else {}),
    }


def history_document(history: History) -> dict[str, Any]:
    """Return what changed since the last run of the same modules."""
    changes = {"new": history.new, "fixed": history.fixed, "failing": history.failing}
    return {"previous": history.previous, **{kind: [row._asdict() for row in rows] for kind, rows in changes.items()}}


def summary_document(summary: Summary) -> dict[str, Any]:
    """Return the counts over all modules."""
    return {
        "modules": summary.modules,
        "conform": summary.verdicts["conforms"],
        "violate": summary.verdicts["violates"],
        "incomplete": summary.verdicts["incomplete"],
        "cached": summary.cached,
        "suppressed": summary.suppressed.total(),
        "unchecked": summary.unchecked,
        "levels": {level: summary.levels[level] for level in LEVELS},
        "rules": [asdict(row) for row in summary.rules],
        "worst": [{"path": module.path, "errors": module.errors, "others": module.others} for module in summary.worst],
    }


def array(rows: Iterable[Any], *, depth: int = 0) -> Iterator[str]:
    """Yield a JSON array row by row, indented for `depth` levels of a document."""
    margin, between = " " * depth, "["
    for row in rows:
        yield f"{between}\n{margin} {_text(row, margin=margin + ' ')}"
        between = ","
    yield "[]" if between == "[" else f"\n{margin}]"


def json_text(value: Any, *, indent: int | None = 1) -> str:
    """Return a value as JSON that is safe to print; paths and names are the same once it is parsed."""
    return printable_json(json.dumps(value, indent=indent, ensure_ascii=False))


def _text(value: Any, *, margin: str = "") -> str:
    return json_text(value).replace("\n", "\n" + margin)


def module_document(module: ModuleReport) -> dict[str, Any]:
    """Return one module's part of the document; it has `suppressed` and `unchecked` only if something is."""
    document: dict[str, Any] = {
        "path": module.path,
        "format": module.format,
        "verdict": module.verdict,
        "devices": [asdict(device) for device in module.devices],
        "sandbox": None
        if module.protections is None
        else {"enforced": list(module.protections), "missing": list(module.missing_protections)},
        "outcomes": [_outcome(outcome) for outcome in module.outcomes],
        "findings": [_finding(finding) for finding in module.findings],
        "elapsed_s": module.elapsed_s,
    }
    if module.suppressed:
        document["suppressed"] = [
            {"finding": _finding(item.finding), "kind": item.kind, "reason": item.reason} for item in module.suppressed
        ]
    if module.unchecked:
        document["unchecked"] = [asdict(row) for row in module.unchecked]
    return document


def _outcome(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome; it has `rests_on` only if faults of other rules kept the rule from being checked."""
    resting = {"rests_on": outcome.rests_on} if outcome.rests_on else {}
    return {
        "rule": outcome.rule,
        "level": outcome.level,
        "status": outcome.status,
        "decided_by": outcome.decided_by,
        "reason": outcome.reason,
        **resting,
    }


def _finding(finding: Finding) -> dict[str, Any]:
    """Return a finding; the command that fixes or reproduces it, if there is one, is at the end of the fix.

    It has `fix_command` only if `hubcheck fix` fixes it.
    """
    document = asdict(finding)
    command, replay = document.pop("command"), document.pop("replay")
    document["fixable"] = finding.is_fixable
    if not finding.is_fixable:
        del document["fix_command"]
    document["fix"] += f" Or run: {command}" if command else ""
    document["fix"] += f" See it again: {replay}" if replay else ""
    return document
