"""Texts that several formats share: where a finding is, what formats are called, why rules were skipped."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from hubcheck._version import __version__
from hubcheck.checks.faults import Where
from hubcheck.engine.findings import Finding, Outcome
from hubcheck.engine.module_report import ModuleReport, SuppressionKind, Verdict
from hubcheck.engine.reports import Report
from hubcheck.module.formats import Format
from hubcheck.module.uri import Uri, is_uri
from hubcheck.rulebook.convention import DEFAULT_CONVENTION
from hubcheck.rulebook.levels import LEVELS
from hubcheck.rulebook.rules import Rule
from hubcheck.util.text import listed, plural, printable

SUPPRESSIONS: dict[SuppressionKind, str] = {"ignore": "ignored", "xfail": "expected", "baseline": "known"}
FORMAT_NAMES: dict[Format | None, str] = {
    "tf1-hub": "TF1 Hub format",
    "tf1-saved-model": "TF1 SavedModel",
    "tf2-saved-model": "TF2 SavedModel",
    None: "unreadable",
}
VERDICTS: tuple[Verdict, ...] = ("conforms", "violates", "incomplete")
_DISPLAY_NAMES = {"conforms": "passed", "violates": "failed", "broken": "crashed"}
_COUNTED = (
    *("passed", "failed", "with warnings", "with notes", "skipped"),
    *("ignored", "expected", "known", "not selected", "crashed"),
)
_MAX_COMMAND = 400
"""Characters of a command line: a shell may have put thousands of paths into it."""
_OF_ONE_RULE = r"^(decided by the files alone: |only a run shows [^;]*; )"
_LABELS = ("fix", "or run", "fixable", "found", "wanted", "spec", "again")


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


def grouped_reasons(module: ModuleReport, *, only_decided: bool = False) -> list[tuple[str, str, list[str]]]:
    """Return (word, reason, rules) for what is suppressed, skipped, or passed without a part of what was asked for.

    What `Unchecked.rules` lists is left out: `unchecked_lines` says that. With `only_decided`, so is what
    `undecided_rules` returns.
    """
    told = {rule for row in module.unchecked for rule in row.rules}
    rows: dict[tuple[str, str], dict[str, None]] = {}
    for item in module.suppressed:
        rows.setdefault((SUPPRESSIONS[item.kind], item.reason), {})[item.finding.rule] = None
    for status in ("skipped", "passed"):
        for outcome in module.outcomes:
            if outcome.status != status or outcome.rule in told or (only_decided and not outcome.complete):
                continue
            if outcome.reason or status == "skipped":
                rows.setdefault((status, outcome.reason or "no reason given"), {})[outcome.rule] = None
    return [(word, reason, list(rules)) for (word, reason), rules in rows.items()]


def common_reason(reason: str) -> str:
    """Return why there was no run, without what that means for this rule."""
    return re.sub(_OF_ONE_RULE, "", reason)


def undecided_rules(module: ModuleReport) -> dict[str, list[str]]:
    """Return what was asked for and not decided, besides crashes: each reason, with the rules that it concerns."""
    rules: dict[str, list[str]] = {}
    told = {rule for row in module.unchecked for rule in row.rules}
    for outcome in module.outcomes:
        if not outcome.complete and outcome.status != "broken" and outcome.rule not in told:
            rules.setdefault(common_reason(outcome.reason or "no reason given"), []).append(outcome.rule)
    return rules


def undecided(module: ModuleReport) -> list[str]:
    """Return what makes the verdict incomplete, besides crashes: the first rules that are not decided, and why."""
    if module.verdict != "incomplete":
        return []
    texts = [f"{listed(names)}: {reason}" for reason, names in undecided_rules(module).items()]
    return texts + [text for word, text in unchecked_lines(module) if word == "incomplete"]


def verdict_lines(module: ModuleReport) -> list[tuple[str, str]]:
    """Return (word, text) of what makes the verdict incomplete, and of the rules that other faults kept from it."""
    lines = [("incomplete", text) for text in undecided(module)]
    return lines + [row for row in unchecked_lines(module) if row not in lines]


def absent_devices(module: ModuleReport) -> list[tuple[str, str]]:
    """Return (device, text) for each device that the module was not run on although a run was wanted."""
    return [
        (device.name, f"not run: {device.reason}")
        for device in module.devices
        if not device.ran and device.reason and not device.reason.startswith("not run")
    ]


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
    by_layer: dict[str, list[str]] = {"": []}
    for protection in module.protections:  # "files (Landlock)"
        what, _, layer = protection.partition(" (")
        by_layer.setdefault(layer.removesuffix(")"), []).append(what)
    texts = [(layer and f"{layer}: ") + ", ".join(names) for layer, names in by_layer.items() if names]
    lines = [("sandbox", "; ".join(texts) or "none")]
    return lines + [("sandbox lacks", "; ".join(module.missing_protections))] * bool(module.missing_protections)


def run_facts(report: Report) -> list[tuple[str, str]]:
    """Return (name, value) of when and with what a run was made."""
    rows = (
        ("created", report.created),
        ("hubcheck", __version__),
        ("TensorFlow", report.tensorflow),
        ("convention", report.convention),
        ("baseline", report.baseline),
        ("command", printable(report.command or "", max_length=_MAX_COMMAND)),
    )
    return [(name, value) for name, value in rows if value]


def totals(report: Report) -> str:
    """Return the counts of a run: "3 modules (1 cached): 2 passed, 1 failed; 1 error; 4 findings suppressed"."""
    summary = report.summary
    verdicts = [f"{count} {display_name(name)}" for name in VERDICTS if (count := summary.verdicts[name])]
    found = ", ".join(plural(count, level) for level in LEVELS if (count := summary.levels[level]))
    none = "no new findings" if report.baseline is not None else "no findings"
    cached = f" ({summary.cached} cached)" if summary.cached else ""
    parts = [f"{plural(summary.modules, 'module')}{cached}: {', '.join(verdicts)}", found or none]
    parts += [f"{plural(summary.suppressed.total(), 'finding')} suppressed"] if summary.suppressed else []
    return "; ".join(parts + ([f"{plural(summary.unchecked, 'rule')} not checked"] if summary.unchecked else []))


def run_problems(report: Report) -> list[str]:
    """Return why the whole run is incomplete, or some of its files."""
    lines = [f"incomplete: {report.incomplete}"] if report.incomplete else []
    for reason, count in report.summary.unsaved.items():
        lines.append(f"the evidence of {plural(count, 'module')} could not be saved: {printable(reason)}")
    return [*lines, *(["interrupted: the report has only the modules that were finished"] * report.interrupted)]


def run_notices(report: Report) -> list[str]:
    """Return what concerns the whole run: why it is incomplete, another convention than usual, and notices."""
    lines = run_problems(report)
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
    texts = (
        finding.fix,
        finding.command,
        finding.fix_command,
        finding.found,
        finding.wanted,
        finding.source,
        finding.replay,
    )
    return [(label, text) for label, text in zip(_LABELS, texts, strict=True) if text]


def finding_text(module: ModuleReport, finding: Finding) -> str:
    """Return a finding as plain text: module, location and message in the first line, then its rows."""
    rows = [f"{label}: {text}" for label, text in finding_rows(finding)]
    return "\n".join([f"{module.key}: {location(finding.where)}: {finding.message}", *rows])


def counts(module: ModuleReport, outcomes: Iterable[Outcome] | None = None) -> str:
    """Return how many rules have each status: "43 passed, 1 failed, 2 with warnings, 5 skipped".

    Only a rule whose finding makes the module violate is counted as failed.

    Args:
        module: the report.
        outcomes: some of its outcomes; by default all, and then 0 passed and 0 skipped are said too.
    """
    found = Counter(status_text(module, outcome) for outcome in (module.outcomes if outcomes is None else outcomes))
    always = ("passed", "skipped") if outcomes is None else ()
    return ", ".join(f"{found[status]} {status}" for status in _COUNTED if found[status] or status in always)


def status_text(module: ModuleReport, outcome: Outcome) -> str:
    """Return what people read for what became of a rule: "with warnings" if its findings do not make it fail, and why
    it does not count if it is ignored.
    """
    if outcome.status == "ignored":
        return next((SUPPRESSIONS[s.kind] for s in module.suppressed if s.finding.rule == outcome.rule), "not selected")
    if outcome.status == "failed" and not any(finding.rule == outcome.rule for finding in module.failures):
        levels = [finding.level for finding in module.findings if finding.rule == outcome.rule]
        if levels:
            return f"with {min(levels, key=LEVELS.index)}s"
    return display_name(outcome.status)


def duration(seconds: float) -> str:
    """Return "2.1 s", or "0.03 s" of less than a second."""
    return f"{seconds:.{1 if seconds >= 1 else 2}f} s"


def crashes(module: ModuleReport) -> list[Outcome]:
    """Return the outcomes of the rules whose check raised an error."""
    return [outcome for outcome in module.outcomes if outcome.status == "broken"]


def checked_by(rule: Rule) -> str:
    """Return what a rule is checked by: "files", "run" or "files, run"."""
    return ", ".join(name for name, half in (("files", rule.check), ("run", rule.probe)) if half is not None)
