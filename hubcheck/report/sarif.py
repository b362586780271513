"""SARIF 2.1.0, for code scanning: every finding at the module's file, or at the script that publishes the module.

Paths are relative to the checkout, as GitHub wants them. What does not count is carried as a suppression.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

from hubcheck._version import __version__
from hubcheck.engine.findings import Finding
from hubcheck.engine.identity import fingerprints
from hubcheck.engine.module_report import ModuleReport, Suppressed
from hubcheck.engine.reports import EXIT_INTERNAL, EXIT_INTERRUPTED, Report
from hubcheck.module.uri import Uri, parse_source
from hubcheck.report.describe import annotated_file, counts, finding_rows, location, run_notices
from hubcheck.rulebook.rules import Rule

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_MOST_RESULTS = 25_000
_LONGEST_DESCRIPTION = 1024


def render(report: Report) -> Iterator[str]:
    """The log file, with one run."""
    yield json.dumps(document(report), indent=1, ensure_ascii=False) + "\n"


def document(report: Report) -> dict[str, Any]:
    """The log as plain data. GitHub refuses more than 25,000 results; what is beyond is told instead of listed."""
    places = {rule: number for number, rule in enumerate(report.rules)}
    found = (result for module in report.modules for result in _results(module, report, places))
    results = list(islice(found, _MOST_RESULTS))
    beyond = sum(1 for _ in found)
    notifications = [*run_notices(report), *_broken(report)]
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
        "properties": {"modules": [_summary(module, report) for module in report.modules]},
    }
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(rule: Rule) -> dict[str, Any]:
    text = f"{rule.why}\n\nFix: {rule.fix}\n\nSource: {rule.source}: {rule.requirement}."
    return {
        "id": rule.id,
        "name": "".join(part.capitalize() for part in rule.id.replace("/", "-").split("-")),
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.why[:_LONGEST_DESCRIPTION]},
        "help": {
            "text": text,
            "markdown": f"{rule.why}\n\n**Fix.** {rule.fix}\n\n*{rule.source}*: {rule.requirement}.",
        },
        "defaultConfiguration": {"level": rule.level},
        "properties": {"tags": [rule.group], "problem.severity": _severity(rule)},
    }


def _severity(rule: Rule) -> str:
    return "recommendation" if rule.level == "note" else rule.level


def _results(module: ModuleReport, report: Report, places: dict[str, int]) -> list[dict[str, Any]]:
    names = fingerprints(module, module.key)
    rows: list[tuple[Finding, Suppressed | None]] = [(finding, None) for finding in module.findings]
    rows += [(suppressed.finding, suppressed) for suppressed in module.suppressed]
    return [_result(finding, why, names[finding], module, report, places) for finding, why in rows]


def _result(
    finding: Finding,
    suppressed: Suppressed | None,
    fingerprint: str,
    module: ModuleReport,
    report: Report,
    places: dict[str, int],
) -> dict[str, Any]:
    key = module.key
    lines = [f"{key}: {location(finding.where)}: {finding.message}"]
    lines += [f"{label}: {text}" for label, text in finding_rows(finding)]
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "level": finding.level,
        "message": {"text": "\n".join(lines)},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": _artifact(module, report),
                    "region": {"startLine": 1},
                },
                "logicalLocations": [{"fullyQualifiedName": f"{key} · {location(finding.where)}"}],
            }
        ],
        "partialFingerprints": {"primaryLocationLineHash": f"{fingerprint}:1"},
        "properties": {
            "module": key,
            "message": finding.message,
            "where": location(finding.where),
            **dict(finding_rows(finding)),
        },
    }
    if finding.rule in places:
        result["ruleIndex"] = places[finding.rule]
    if suppressed is not None:
        reason = {"kind": "external", "status": "accepted", "justification": f"{suppressed.kind}: {suppressed.reason}"}
        result["suppressions"] = [reason]
    return result


def _artifact(module: ModuleReport, report: Report) -> dict[str, Any]:
    where = parse_source(module.path)
    if module.script is None and isinstance(where, Uri):
        return {"uri": where.below(module.file).encoded}
    if module.script is None and not Path(where).absolute().is_relative_to(Path(report.project_root).absolute()):
        return {"uri": (Path(where).absolute() / module.file).as_uri()}
    return {"uri": quote(os.fsencode(annotated_file(module, report))), "uriBaseId": "%SRCROOT%"}


def _broken(report: Report) -> list[str]:
    return [
        f"{outcome.crash_title}: {outcome.reason}"
        for module in report.modules
        for outcome in module.outcomes
        if outcome.status == "broken"
    ]


def _summary(module: ModuleReport, report: Report) -> dict[str, Any]:
    skipped = {outcome.rule: outcome.reason for outcome in module.outcomes if outcome.status == "skipped"}
    return {
        "module": module.key,
        "verdict": module.verdict,
        "counts": counts(module),
        "skipped": skipped,
    }
