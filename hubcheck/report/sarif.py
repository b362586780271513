"""SARIF 2.1.0, for code scanning: every finding at the module's file, or at the script that publishes the module.

Paths are relative to the checkout, as GitHub requires. Suppressed findings are results with a suppression.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

from hubcheck._version import __version__
from hubcheck.engine.findings import Finding
from hubcheck.engine.identity import fingerprints
from hubcheck.engine.module_report import ModuleReport
from hubcheck.engine.reports import EXIT_INTERNAL, EXIT_INTERRUPTED, Report
from hubcheck.module.uri import Uri, parse_source
from hubcheck.report.describe import (
    annotated_file,
    counts,
    finding_rows,
    finding_text,
    location,
    run_notices,
    unchecked_lines,
)
from hubcheck.rulebook.rules import Rule

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_MAX_RESULTS = 25_000
_MAX_DESCRIPTION = 1024


def render(report: Report) -> Iterator[str]:
    """Yield the log file, with one run."""
    yield json.dumps(document(report), indent=1, ensure_ascii=False) + "\n"


def document(report: Report) -> dict[str, Any]:
    """Return the log as plain data. GitHub refuses more than 25,000 results: a notification counts further ones."""
    indices = {rule: number for number, rule in enumerate(report.rules)}
    found = (result for module in report.modules for result in _results(module, report))
    results = list(islice(found, _MAX_RESULTS))
    for result in results:
        if result["ruleId"] in indices:
            result["ruleIndex"] = indices[result["ruleId"]]
    beyond = sum(1 for _ in found)
    unchecked = [f"{module.key}: {text}" for module in report.modules for _, text in unchecked_lines(module)]
    notifications = [*run_notices(report), *unchecked, *_internal_errors(report)]
    if beyond:
        notifications.append(f"{beyond} more findings are not listed here")
    run = {
        "tool": {
            "driver": {
                "name": "hubcheck",
                "version": __version__,
                "semanticVersion": __version__,
                "rules": [_rule(rule) for rule in report.rules.values()],
            }
        },
        "automationDetails": {"id": "hubcheck/"},
        "columnKind": "utf16CodeUnits",
        "invocations": [
            {
                "executionSuccessful": report.exit_code not in (EXIT_INTERNAL, EXIT_INTERRUPTED),
                "exitCode": report.exit_code,
                "toolExecutionNotifications": [{"level": "warning", "message": {"text": t}} for t in notifications],
            }
        ],
        "results": results,
        "properties": {"modules": [_summary(module) for module in report.modules]},
    }
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(rule: Rule) -> dict[str, Any]:
    text = f"{rule.why}\n\nFix: {rule.fix}\n\nSource: {rule.source}: {rule.requirement}."
    return {
        "id": rule.id,
        "name": "".join(part.capitalize() for part in rule.id.replace("/", "-").split("-")),
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.why[:_MAX_DESCRIPTION]},
        "help": {
            "text": text,
            "markdown": f"{rule.why}\n\n**Fix.** {rule.fix}\n\n*{rule.source}*: {rule.requirement}.",
        },
        "defaultConfiguration": {"level": rule.level},
        "properties": {"tags": [rule.group], "problem.severity": _severity(rule)},
    }


def _severity(rule: Rule) -> str:
    return "recommendation" if rule.level == "note" else rule.level


def _results(module: ModuleReport, report: Report) -> Iterator[dict[str, Any]]:
    prints = fingerprints(module, module.key)
    artifact = _artifact(module, report)
    for finding in module.findings:
        yield _result(finding, module, artifact, prints[finding])
    for item in module.suppressed:
        reason = {"kind": "external", "status": "accepted", "justification": f"{item.kind}: {item.reason}"}
        yield _result(item.finding, module, artifact, prints[item.finding]) | {"suppressions": [reason]}


def _result(finding: Finding, module: ModuleReport, artifact: dict[str, Any], fingerprint: str) -> dict[str, Any]:
    where = location(finding.where)
    return {
        "ruleId": finding.rule,
        "level": finding.level,
        "message": {"text": finding_text(module, finding)},
        "locations": [
            {
                "physicalLocation": {"artifactLocation": artifact, "region": {"startLine": 1}},
                "logicalLocations": [{"fullyQualifiedName": f"{module.key} · {where}"}],
            }
        ],
        "partialFingerprints": {"primaryLocationLineHash": f"{fingerprint}:1"},
        "properties": {
            "module": module.key,
            "message": finding.message,
            "where": where,
            **dict(finding_rows(finding)),
        },
    }


def _artifact(module: ModuleReport, report: Report) -> dict[str, Any]:
    if module.script is None:
        source = parse_source(module.path)
        if isinstance(source, Uri):
            return {"uri": source.below(module.file).encoded}
        if not source.absolute().is_relative_to(Path(report.project_root).absolute()):
            return {"uri": (source.absolute() / module.file).as_uri()}
    return {"uri": quote(os.fsencode(annotated_file(module))), "uriBaseId": "%SRCROOT%"}


def _internal_errors(report: Report) -> list[str]:
    return [
        f"{outcome.crash_title}: {outcome.reason}"
        for module in report.modules
        for outcome in module.outcomes
        if outcome.status == "broken"
    ]


def _summary(module: ModuleReport) -> dict[str, Any]:
    skipped = {outcome.rule: outcome.reason for outcome in module.outcomes if outcome.status == "skipped"}
    return {
        "module": module.key,
        "verdict": module.verdict,
        "counts": counts(module.outcomes),
        "skipped": skipped,
        "unchecked": [asdict(row) for row in module.unchecked],
    }
