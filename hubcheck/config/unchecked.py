"""What it means for the verdict that rules were not checked because of a fault that does not count.

A rule whose need has failed is skipped. That leaves the verdict complete only because the fault itself makes the module
violate. This is the one place that decides what follows where it does not:

| the need is                                | blanket                 | any other               |
|--------------------------------------------|-------------------------|-------------------------|
| not selected                               | incomplete              | incomplete              |
| ignored, or of a level that does not count | incomplete              | the verdict stands      |
| in the baseline, or an expected failure    | the verdict stands      | the verdict stands      |

A need is `blanket` if what rests on it is about other things (module/readable, say); what rests on any other is
meaningless while it fails. In each case the report counts the rules that were not checked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from hubcheck.engine.findings import Outcome
from hubcheck.engine.module_report import ModuleReport, NotCounting, Unchecked
from hubcheck.rulebook.rules import Rule


def with_unchecked(report: ModuleReport, rules: Mapping[str, Rule], ignored: Collection[str]) -> ModuleReport:
    """Return the report with the rules that were not checked because of faults that do not count, and its outcomes.

    Args:
        report: with its findings suppressed.
        rules: all rules by id.
        ignored: the rules that an option leaves out; others that are not reported were not selected.
    """
    failing = {finding.rule for finding in report.failures}
    resting: dict[str, list[str]] = {}
    for outcome in report.outcomes:
        for need in outcome.rests_on if outcome.status in ("passed", "skipped") else ():
            if need not in failing:
                resting.setdefault(need, []).append(outcome.rule)
    if not resting:
        return report
    unchecked = []
    for need, names in resting.items():
        why = _why(rules[need], report, ignored)
        accepted = why in ("xfail", "baseline") or (why != "not selected" and not rules[need].blanket)
        unchecked.append(Unchecked(need, why, accepted, tuple(names)))
    outcomes = tuple(_outcome(outcome, unchecked) for outcome in report.outcomes)
    return replace(report, outcomes=outcomes, unchecked=tuple(unchecked))


def _why(need: Rule, report: ModuleReport, ignored: Collection[str]) -> NotCounting:
    """Return why the fault of a rule does not count; of several reasons, the one that accepts least."""
    status = next(outcome.status for outcome in report.outcomes if outcome.rule == need.id)
    kinds = {item.kind for item in report.suppressed if item.finding.rule == need.id}
    if status == "ignored" and not kinds:
        return "ignore" if need.id in ignored else "not selected"
    if not kinds or any((finding.rule, finding.level) == (need.id, need.level) for finding in report.findings):
        return "below fail-on"
    return "ignore" if "ignore" in kinds else "baseline" if "baseline" in kinds else "xfail"


def _outcome(outcome: Outcome, unchecked: Iterable[Unchecked]) -> Outcome:
    """Return the outcome of a rule with the reasons for which it was not checked."""
    rows = [row for row in unchecked if outcome.rule in row.rules and outcome.status in ("passed", "skipped")]
    if not rows:
        return outcome
    prefix = "decided by the files alone: " if outcome.status == "passed" else ""
    reason = f"{prefix}needs {'; '.join(row.need_text for row in rows)}"
    complete = outcome.complete and all(row.accepted for row in rows)
    return replace(outcome, reason=reason, complete=complete)
