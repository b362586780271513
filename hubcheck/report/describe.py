"""Texts that several formats share: where a finding is, what formats are called, why rules were skipped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from hubcheck.checks.faults import Where
from hubcheck.engine.findings import Finding, Outcome, Status
from hubcheck.engine.module_report import ModuleReport, SuppressionKind
from hubcheck.engine.reports import Report
from hubcheck.module.formats import Format
from hubcheck.module.uri import Uri, is_uri
from hubcheck.rulebook.convention import DEFAULT_CONVENTION
from hubcheck.rulebook.rules import Rule
from hubcheck.util.text import plural

SUPPRESSIONS: dict[SuppressionKind, str] = {"ignore": "ignored", "xfail": "expected", "baseline": "known"}
FORMAT_NAMES: dict[Format | None, str] = {
    "tf1-hub": "TF1 Hub format",
    "tf1-saved-model": "TF1 SavedModel",
    "tf2-saved-model": "TF2 SavedModel",
    None: "unreadable",
}
_DISPLAY_NAMES = {"conforms": "passed", "violates": "failed", "broken": "crashed"}
_STATUSES: tuple[Status, ...] = ("passed", "failed", "skipped", "ignored", "broken")
_LABELS = ("found", "wanted", "fix", "or run", "spec", "again")


def display_name(word: str) -> str:
    """Return what people read for a verdict or a status: passed for conforms, crashed for broken."""
    return _DISPLAY_NAMES.get(word, word)


def location(where: Where) -> str:
    """Return one line: variant train · image_feature_vector · inputs["images"] · node Mean (Mean) in function f."""
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


def grouped_reasons(module: ModuleReport) -> list[tuple[str, str, list[str]]]:
    """Return (word, reason, rules) for what is suppressed, skipped, or passed without a part of what was asked for.

    What `Unchecked.rules` lists is left out: `unchecked_lines` says that.
    """
    told = {rule for row in module.unchecked for rule in row.rules}
    rows: dict[tuple[str, str], dict[str, None]] = {}
    for item in module.suppressed:
        rows.setdefault((SUPPRESSIONS[item.kind], item.reason), {})[item.finding.rule] = None
    for status in ("skipped", "passed"):
        for outcome in module.outcomes:
            if outcome.status == status and outcome.rule not in told and (outcome.reason or status == "skipped"):
                rows.setdefault((status, outcome.reason or "no reason given"), {})[outcome.rule] = None
    return [(word, reason, list(rules)) for (word, reason), rules in rows.items()]


def unchecked_lines(module: ModuleReport) -> list[tuple[str, str]]:
    """Return (word, text) for each fault that does not count: how many rules it kept from being checked, and which."""
    partly = {outcome.rule for outcome in module.outcomes if outcome.status == "passed"}
    lines = []
    for row in module.unchecked:
        number, passed = plural(len(row.rules), "rule"), len(partly.intersection(row.rules))
        by_files = f" ({passed} by the files alone)" if passed else ""
        what = f"{number} not checked{by_files}: {'it needs' if len(row.rules) == 1 else 'they need'} {row.need_text}"
        so = "" if row.accepted else ", so the verdict is incomplete"
        lines.append(("skipped" if row.accepted else "incomplete", f"{what}{so} ({', '.join(row.rules)})"))
    return lines


def sandbox_lines(module: ModuleReport) -> list[tuple[str, str]]:
    """Return (word, text) of what confined the module when it was run, and of what did not; nothing if it was not."""
    if module.protections is None:
        return []
    lines = [("sandbox", ", ".join(module.protections) or "none")]
    return lines + [("sandbox lacks", "; ".join(module.missing_protections))] * bool(module.missing_protections)


def run_notices(report: Report) -> list[str]:
    """Return what concerns the whole run: why it is incomplete, another convention than usual, and notices."""
    lines = [f"incomplete: {report.incomplete}"] if report.incomplete else []
    if report.interrupted:
        lines.append("interrupted: the report has only the modules that were finished")
    if report.convention != DEFAULT_CONVENTION:
        lines.append(f"convention: {report.convention}")
    return [*lines, *report.notices]


def annotated_file(module: ModuleReport) -> str:
    """Return the file that findings are shown at, relative to the project: the publishing script, or the module's."""
    if module.script is not None:
        return module.script
    if is_uri(module.key):
        return str(Uri(module.key).below(module.file))
    return f"{module.key}/{module.file}" if module.file else module.key


def finding_rows(finding: Finding) -> list[tuple[str, str]]:
    """Return the rows below a finding's message: label and text."""
    texts = (finding.found, finding.wanted, finding.fix, finding.command, finding.source, finding.replay)
    return [(label, text) for label, text in zip(_LABELS, texts, strict=True) if text]


def finding_text(module: ModuleReport, finding: Finding) -> str:
    """Return a finding as plain text: module, location and message in the first line, then its rows."""
    rows = [f"{label}: {text}" for label, text in finding_rows(finding)]
    return "\n".join([f"{module.key}: {location(finding.where)}: {finding.message}", *rows])


def counts(outcomes: Iterable[Outcome], *, always: Iterable[str] = ("passed", "skipped")) -> str:
    """Return how many rules have each status: "20 passed, 1 failed, 5 skipped"; those in `always` even if it is 0."""
    found = Counter(outcome.status for outcome in outcomes)
    return ", ".join(f"{found[s]} {display_name(s)}" for s in _STATUSES if found[s] or s in always)


def crashes(module: ModuleReport) -> list[Outcome]:
    """Return the outcomes of the rules whose check raised an error."""
    return [outcome for outcome in module.outcomes if outcome.status == "broken"]


def checked_by(rule: Rule) -> str:
    """Return what a rule is checked by: "files", "run" or "files, run"."""
    return ", ".join(name for name, half in (("files", rule.check), ("run", rule.probe)) if half is not None)
