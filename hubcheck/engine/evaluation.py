"""Evaluate rules on a module: from its files, then from what was observed when it ran.

Rules are evaluated in the order of their needs. A rule is skipped where a rule that it needs has failed, so that one
fault makes one finding.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from hubcheck.checks.context import Context
from hubcheck.checks.faults import Checked, Corroboration, Fault, Skip
from hubcheck.checks.grouping import distinct
from hubcheck.engine.findings import Finding, Outcome, build_finding
from hubcheck.engine.fixable import with_fixes
from hubcheck.engine.halves import ABSENT, Half, HalfName, combine
from hubcheck.engine.needs import resolved_needs
from hubcheck.engine.predicates import author_error, predicate
from hubcheck.rulebook.convention import DEFAULT_CONVENTION
from hubcheck.rulebook.levels import LEVELS
from hubcheck.rulebook.rules import Rule
from hubcheck.util.record import record
from hubcheck.util.walk import gc_paused

if TYPE_CHECKING:
    from hubcheck.probe.observations import Observations

NOTHING_TO_CHECK = "there is nothing to check"

Halves = Mapping[str, Half]


class Results(NamedTuple):
    """An outcome for each rule, in the order of the rule files, and the findings: errors first."""

    outcomes: tuple[Outcome, ...]
    findings: tuple[Finding, ...]


@record
class RuleSelection:
    """The rules to evaluate.

    Attributes:
        by_id: all rules.
        selected: the ids to report; the others are evaluated only as needs.
        needs: the rules that each half of each rule needs; see `resolved_needs`.
        assume_passed: the ids that block no other rule, even if they fail.
    """

    by_id: Mapping[str, Rule]
    selected: Collection[str]
    needs: Mapping[str, Mapping[HalfName, Sequence[str]]]
    assume_passed: Collection[str] = ()

    def results(self, static: Halves, probe: Halves) -> Results:
        """Combine the halves of all rules."""
        outcomes: list[Outcome] = []
        findings: list[Finding] = []
        for rule in self.by_id.values():
            decision = combine(static.get(rule.id, ABSENT), probe.get(rule.id, ABSENT))
            is_internal_error = decision.status == "broken" and not decision.rule_error
            if rule.id not in self.selected and not is_internal_error:
                outcomes.append(Outcome(rule.id, rule.level, "ignored", None, "not selected"))
                continue
            status, decided_by, reason, found, complete, rule_error, needs = decision
            rests_on = tuple(dict.fromkeys(root for need in needs for root in roots(need, static, probe)))
            outcomes.append(Outcome(rule.id, rule.level, status, decided_by, reason, complete, rule_error, rests_on))
            findings += found if rule.id in self.selected else ()
        return Results(tuple(outcomes), tuple(sorted(findings, key=lambda finding: LEVELS.index(finding.level))))

    def blocker(self, rule: Rule, name: HalfName, *known: Halves) -> Half | None:
        """Return the conclusion of a half that cannot be checked because rules that it needs have failed."""
        return _blocked(need for need in self._needs(rule, name) if any(half.blocks for half in _halves(need, *known)))

    def answer(self, rule: Rule, name: HalfName, half: Half, *known: Halves) -> Half:
        """Return the conclusion of a half that was checked; blocked if it has no answer and a need was blocked."""
        if half.verdict not in ("undecided", "inapplicable"):
            return half
        needs = self._needs(rule, name)
        blocked = [need for need in needs if any(half.verdict == "blocked" for half in _halves(need, *known))]
        return _blocked(blocked) or half

    def _needs(self, rule: Rule, name: HalfName) -> list[str]:
        return [need for need in self.needs[rule.id][name] if need not in self.assume_passed]

    def first(self, ordered: Iterable[Rule]) -> str:
        """Return the first rule that is reported, to report an internal error of hubcheck for."""
        ids = [rule.id for rule in ordered]
        return next(filter(self.selected.__contains__, ids), ids[0])

    def in_order_of_needs(self) -> list[Rule]:
        """Return all rules, each after those that it needs."""
        return [self.by_id[name] for name in self.needs]


def select_rules(
    rules: Mapping[str, Rule], selected: Collection[str], assume_passed: Collection[str] = ()
) -> RuleSelection:
    """Return a selection; see `RuleSelection` for the arguments."""
    needs = resolved_needs(tuple((rule.id, rule.needs, rule.run_needs) for rule in rules.values()))
    return RuleSelection(rules, selected, needs, assume_passed)


@record
class Evaluation:
    """What the files of a module decide. One of `with_observations` and `without_run` completes it."""

    context: Context
    rules: RuleSelection
    ordered: tuple[Rule, ...]
    static: Halves

    def awaits_run(self) -> bool:
        """Return whether running the module could still decide anything."""
        return any(
            self._has_run(rule)
            and rule.id in self.rules.selected
            and self.rules.blocker(rule, "probe", self.static) is None
            for rule in self.ordered
        )

    def _has_run(self, rule: Rule) -> bool:
        return rule.probe is not None and rule.applies(self.context.convention)

    def with_observations(self, observations: Observations) -> Results:
        """Evaluate the probe halves on what was observed when the module ran."""
        probe: dict[str, Half] = {}
        for rule in self.ordered:
            static = self.static.get(rule.id, ABSENT)
            if rule.probe is not None and self._has_run(rule) and static.verdict not in ("blocked", "crashed"):
                blocked = self.rules.blocker(rule, "probe", self.static, probe)
                places = tuple(finding.where for finding in static.findings)
                context = replace(self.context, found_in_files=places)
                probe[rule.id] = blocked or self.rules.answer(
                    rule, "probe", _evaluate(rule, rule.probe, context, observations), self.static, probe
                )
        return self._results(probe)

    def without_run(self, reason: str, *, complete: bool, crashed: bool = False) -> Results:
        """Skip what only a run could decide.

        Args:
            reason: why the module was not run.
            complete: False if a run was wanted. If none was, what only a run needs keeps no rule from being checked.
            crashed: the reason is an internal error of hubcheck.
        """
        probe: dict[str, Half] = {}
        for rule in self.ordered:
            if self._has_run(rule):
                blocked = self.rules.blocker(rule, "static" if complete else "probe", self.static, probe)
                probe[rule.id] = blocked or Half("not-run", reason, complete=complete)
        if crashed:
            first = self.rules.first(rule for rule in self.ordered if self._has_run(rule))
            probe[first] = Half("crashed", reason)
        return self._results(probe)

    def _results(self, probe: Halves) -> Results:
        outcomes, findings = self.rules.results(self.static, probe)
        return Results(outcomes, with_fixes(self.context, findings))


def evaluate(
    context: Context,
    rules: Mapping[str, Rule],
    *,
    selected: Collection[str] | None = None,
    assume_passed: Collection[str] = (),
) -> Evaluation:
    """Evaluate the static halves of all rules on a module.

    Args:
        selected: the ids to report, by default all; the others are evaluated only as needs.
        assume_passed: the ids that block no other rule, even if they fail.
    """
    chosen = select_rules(rules, rules if selected is None else selected, assume_passed)
    ordered = tuple(chosen.in_order_of_needs())
    static: dict[str, Half] = {}
    with gc_paused():
        for rule in ordered:
            if not rule.applies(context.convention):
                static[rule.id] = Half("inapplicable", f"does not apply under --convention {context.convention}")
            elif rule.check is not None:
                static[rule.id] = chosen.blocker(rule, "static", static) or chosen.answer(
                    rule, "static", _evaluate(rule, rule.check, context), static
                )
    return Evaluation(context, chosen, ordered, static)


def unavailable(rules: Mapping[str, Rule], selected: Collection[str], reason: str) -> Results:
    """Return the results for a module that could not be read, through no fault of its own: all rules are skipped."""
    skipped = Half("blocked", reason, complete=False)
    return select_rules(rules, selected).results(dict.fromkeys(rules, skipped), {})


def internal_error(rules: Mapping[str, Rule], selected: Collection[str], reason: str) -> Results:
    """Return the results for a module on which hubcheck itself failed before it could evaluate any rule."""
    chosen = select_rules(rules, selected)
    halves = dict.fromkeys(rules, Half("blocked", "hubcheck failed on this module"))
    halves[chosen.first(chosen.in_order_of_needs())] = Half("crashed", reason)
    return chosen.results(halves, {})


def roots(rule: str, static: Halves, probe: Halves) -> tuple[str, ...]:
    """Return the failed rules that a need leads to: itself, or those because of which it could not be checked.

    A need that keeps others from being checked because there is nothing to check leads to none.
    """
    halves = _halves(rule, static, probe)
    if not any(half.verdict == "failed" for half in halves):
        needs = [need for half in halves if half.verdict == "blocked" for need in half.rests_on if need != rule]
        if needs:
            return tuple(root for need in needs for root in roots(need, static, probe))
        if any(half.verdict == "inapplicable" and half.blocks for half in halves):
            return ()
    return (rule,)


def _halves(rule: str, *known: Halves) -> list[Half]:
    return [halves[rule] for halves in known if rule in halves]


def _blocked(needs: Iterable[str]) -> Half | None:
    """Return the half that rests on these failed or blocked needs; None if there are none."""
    rests_on = tuple(needs)
    return Half("blocked", f"needs {rests_on[0]}", rests_on=rests_on) if rests_on else None


def _evaluate(rule: Rule, check: str, context: Context, *observed: Observations) -> Half:
    settings = observed[0].settings if observed else ()
    if context.convention != DEFAULT_CONVENTION:
        settings += ("--convention", context.convention)
    try:
        items = list(distinct(predicate(check)(context, *observed, **rule.params), context.module))
        faults = [item for item in items if isinstance(item, Fault)]
        findings = tuple(build_finding(rule, fault, context.module, settings) for fault in faults)
    except Exception as error:
        import traceback

        rule_error = author_error(check, error)
        return Half("crashed", rule_error or traceback.format_exc(), rule_error=rule_error is not None)
    corroborations = tuple(item for item in items if isinstance(item, Corroboration))
    if faults:
        blocks = any(fault.blocks and fault.level in (None, "error") for fault in faults)
        return Half("failed", None, findings, corroborations, blocks=blocks)
    skips = list(dict.fromkeys(item for item in items if isinstance(item, Skip)))
    complete = not any(skip.incomplete for skip in skips)
    resting = [skip for skip in skips if skip.needs is not None]
    if resting:
        needs = tuple(dict.fromkeys(skip.needs for skip in resting if skip.needs is not None))
        blocks = any(skip.blocks for skip in resting)
        return Half("blocked", _reason(resting), blocks=blocks, complete=complete, rests_on=needs)
    unanswered = [skip for skip in skips if skip.undecided or skip.incomplete]
    if unanswered:
        return Half("undecided", _reason(unanswered), complete=complete)
    if corroborations or any(isinstance(item, Checked) for item in items):
        return Half("passed", corroborations=corroborations)
    return Half("inapplicable", _reason(skips) or NOTHING_TO_CHECK, blocks=any(skip.blocks for skip in skips))


def _reason(skips: Iterable[Skip]) -> str:
    return "; ".join(dict.fromkeys(skip.reason for skip in skips))
