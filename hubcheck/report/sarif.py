"""SARIF 2.1.0, for code scanning: every finding at the module's file, or at the script that publishes the module.

Paths are relative to the checkout, as GitHub requires. Suppressed findings are results with a suppression.
"""

from __future__ import annotations

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
from hubcheck.report import describe
from hubcheck.report.json import history_document, json_text, summary_document
from hubcheck.rulebook.rules import Rule

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_MAX_RESULTS = 25_000
"""GitHub refuses more."""
_MAX_DESCRIPTION = 1024


def render(report: Report) -> Iterator[str]:
    """Yield the log file, with one run."""
    indices = {rule: number for number, rule in enumerate(report.rules)}
    found = (result for module in report.modules for result in _results(module, report))
    results = list(islice(found, _MAX_RESULTS))
    for result in results:
        if result["ruleId"] in indices:
            result["ruleIndex"] = indices[result["ruleId"]]
    notifications = describe.run_notices(report)
    for module in report.modules:
        notifications += [f"{module.key}: {text}" for _, text in describe.unchecked_lines(module)]
    for module in report.modules:
        notifications += [f"{outcome.crash_title}: {outcome.reason}" for outcome in describe.crashes(module)]
    if beyond := sum(1 for _ in found):
        notifications.append(f"{beyond} more findings are not listed here")
    driver = {
        "name": "hubcheck",
        "version": __version__,
        "semanticVersion": __version__,
        "rules": [_rule(rule) for rule in report.rules.values()],
    }
    invocation = {
        "executionSuccessful": report.exit_code not in (EXIT_INTERNAL, EXIT_INTERRUPTED),
        "exitCode": report.exit_code,
        "endTimeUtc": report.created,
        "toolExecutionNotifications": [
            {"level": "warning", "message": {"text": _without_links(text)}} for text in notifications
        ],
    }
    run = {
        "tool": {"driver": driver},
        "automationDetails": {"id": "hubcheck/"},
        "columnKind": "utf16CodeUnits",
        "invocations": [invocation],
        "results": results,
        "properties": {
            **dict(describe.run_facts(report)),
            "summary": summary_document(report.summary),
            **({"history": history_document(report.history)} if report.history is not None else {}),
            "modules": [_summary(module) for module in report.modules],
        },
    }
    log = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    yield json_text(log) + "\n"


def _rule(rule: Rule) -> dict[str, Any]:
    severity = "recommendation" if rule.level == "note" else rule.level
    return {
        "id": rule.id,
        "name": "".join(part.capitalize() for part in rule.id.replace("/", "-").split("-")),
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.why[:_MAX_DESCRIPTION]},
        "help": {
            "text": f"{rule.why}\n\nFix: {rule.fix}\n\nSource: {rule.source}: {rule.requirement}.",
            "markdown": f"{rule.why}\n\n**Fix.** {rule.fix}\n\n*{rule.source}*: {rule.requirement}.",
        },
        "defaultConfiguration": {"level": rule.level},
        "properties": {"tags": [rule.group], "problem.severity": severity},
    }


def _results(module: ModuleReport, report: Report) -> Iterator[dict[str, Any]]:
    prints = fingerprints(module, module.key)
    artifact = _artifact(module, report)

    def result(finding: Finding) -> dict[str, Any]:
        where = describe.location(finding.where)
        place = {"artifactLocation": artifact, "region": {"startLine": 1}}
        names = [{"fullyQualifiedName": f"{module.key} · {where}"}]
        rows = dict(describe.finding_rows(finding))
        return {
            "ruleId": finding.rule,
            "level": finding.level,
            "message": {"text": _without_links(describe.finding_text(module, finding))},
            "locations": [{"physicalLocation": place, "logicalLocations": names}],
            "partialFingerprints": {"primaryLocationLineHash": f"{prints[finding]}:1"},
            "properties": {"module": module.key, "message": finding.message, "where": where, **rows},
        }

    yield from map(result, module.findings)
    for item in module.suppressed:
        reason = {"kind": "external", "status": "accepted", "justification": f"{item.kind}: {item.reason}"}
        yield result(item.finding) | {"suppressions": [reason]}


def _without_links(text: str) -> str:
    """Return text without links: SARIF has them in plain text too, as `[name](address)` (section 3.11.6)."""
    return text.replace("](", r"]\x28")


def _artifact(module: ModuleReport, report: Report) -> dict[str, Any]:
    if module.script is None:
        source = parse_source(module.path)
        if isinstance(source, Uri):
            return {"uri": source.below(module.file).encoded}
        if not source.absolute().is_relative_to(Path(report.project_root).absolute()):
            return {"uri": (source.absolute() / module.file).as_uri()}
    return {"uri": quote(os.fsencode(describe.annotated_file(module))), "uriBaseId": "%SRCROOT%"}


def _summary(module: ModuleReport) -> dict[str, Any]:
    return {
        "module": module.key,
        "verdict": module.verdict,
        "counts": describe.counts(module),
        "skipped": {outcome.rule: outcome.reason for outcome in module.outcomes if outcome.status == "skipped"},
        "unchecked": [asdict(row) for row in module.unchecked],
        **dict(describe.sandbox_lines(module)),
    }
