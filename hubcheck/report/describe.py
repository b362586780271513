"""Words that all reports share: where a finding is, what a format is called, why rules were skipped."""

from __future__ import annotations

from collections.abc import Iterable

from hubcheck.checks.faults import Where
from hubcheck.engine.findings import Finding, Outcome
from hubcheck.engine.module_report import ModuleReport, Suppressed, SuppressionKind
from hubcheck.engine.reports import Report
from hubcheck.module.formats import Format
from hubcheck.module.uri import Uri, is_uri

SUPPRESSIONS: dict[SuppressionKind, str] = {"ignore": "ignored", "xfail": "expected", "baseline": "known"}
FORMATS: dict[Format | None, str] = {
    "tf1-hub": "TF1 Hub format",
    "tf1-saved-model": "TF1 SavedModel",
    "tf2-saved-model": "TF2 SavedModel",
    None: "unreadable",
}


def location(where: Where) -> str:
    """One line: variant train · image_feature_vector · inputs["images"] · node Mean (Mean) in function f."""
    parts = []
    if where.variant not in (None, "", "serve"):
        parts.append(f"variant {where.variant}")
    if where.trace is not None:
        parts.append(f"__call__ ({where.trace})" if where.trace != "call" else "__call__")
    if where.signature is not None:
        parts.append(where.signature)
    if where.side is not None:
        parts.append(f'{where.side}["{where.key}"]' if where.key else where.side)
    if where.node is not None:
        inside = f" in function {where.node.function}" if where.node.function else ""
        parts.append(f"node {where.node.name} ({where.node.op}){inside}")
    return " · ".join(parts) or "module"


def skip_reasons(outcomes: Iterable[Outcome]) -> dict[str, list[str]]:
    """The skipped rules by their reason, in the order of the rules."""
    reasons: dict[str, list[str]] = {}
    for outcome in outcomes:
        if outcome.status == "skipped":
            reasons.setdefault(outcome.reason or "no reason told", []).append(outcome.rule)
    return reasons


def partly_decided(outcomes: Iterable[Outcome]) -> dict[str, list[str]]:
    """The rules that passed without a part of what was asked for, by what keeps that from being run."""
    reasons: dict[str, list[str]] = {}
    for outcome in outcomes:
        if outcome.status == "passed" and outcome.reason:
            reasons.setdefault(outcome.reason, []).append(outcome.rule)
    return reasons


def suppressed_rules(suppressed: Iterable[Suppressed]) -> dict[tuple[SuppressionKind, str], list[str]]:
    """The rules of suppressed findings by kind and reason."""
    reasons: dict[tuple[SuppressionKind, str], list[str]] = {}
    for item in suppressed:
        rules = reasons.setdefault((item.kind, item.reason), [])
        if item.finding.rule not in rules:
            rules.append(item.finding.rule)
    return reasons


def run_notices(report: Report) -> list[str]:
    """What is to be told of the whole run: why it is incomplete, and what the configuration need not say any more."""
    told = [f"incomplete: {report.incomplete}"] if report.incomplete else []
    if report.interrupted:
        told.append("interrupted: the modules shown are all that were finished")
    return [*told, *report.notices]


def annotated_file(module: ModuleReport, report: Report) -> str:
    """The file that a finding is shown at, relative to the report's home: the publishing script, or the module's."""
    key = module.key
    if module.script is not None:
        return module.script
    if is_uri(key):
        return str(Uri(key).below(module.file))
    return f"{key}/{module.file}" if module.file else key


def finding_rows(finding: Finding) -> list[tuple[str, str]]:
    """What is told below a finding's message, label by label."""
    rows = (
        ("found", finding.found),
        ("wanted", finding.wanted),
        ("fix", finding.fix),
        ("spec", finding.source),
        ("again", finding.replay),
    )
    return [(label, text) for label, text in rows if text]


def counts(module: ModuleReport) -> str:
    """ "20 passed, 1 failed, 5 skipped": what became of the rules; a count of nothing is left out, skips are not."""
    order = ("passed", "failed", "skipped", "ignored", "broken")
    shown = [f"{n} {status}" for status in order if (n := module.count(status)) or status in ("passed", "skipped")]
    return ", ".join(shown)


def plural(count: int, noun: str) -> str:
    """ "1 module", "2 modules"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
