"""Rules, a module and what was seen of it, to a report.

A rule is decided from files, from a run, or from both. Rules are asked in the order of their needs: what
depends on a promise that is broken already is skipped, so that one fault makes one finding.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from hubcheck.checks.context import Context
from hubcheck.checks.faults import Corroboration, Fault, Skip
from hubcheck.engine.build_findings import bounded, merged, worded
from hubcheck.engine.findings import Finding, Outcome
from hubcheck.engine.predicates import predicate
from hubcheck.rulebook.levels import LEVELS
from hubcheck.rulebook.rules import Rule, matching
from hubcheck.util.gc_paused import gc_paused

Half = Literal["static", "probe"]


@dataclass(slots=True)
class _State:
    """What is known of a rule so far.

    `open` tells that its static half left the question to a run, `stops` that there is nothing to ask others about,
    `weighs` that it failed by a fault of the rule's own weight, whatever level the configuration gives it.
    """

    status: Literal["passed", "failed", "skipped", "broken"]
    decided_by: Half | None = None
    reason: str | None = None
    open: bool = False
    blocked: bool = False
    stops: bool = False
    complete: bool = True
    weighs: bool = False
    findings: list[Finding] = field(default_factory=list)
    remarks: list[Corroboration] = field(default_factory=list)

    @property
    def blocks(self) -> bool:
        """Whether rules that need this one mean nothing now: it failed, and not by a lesser fault.

        That it was skipped blocks nothing: what a rule needs, its file lists. Else one fault would hide others.
        """
        return self.stops or self.weighs


class Evaluation:
    """One module on its way through the rules: `static`, then `probe` or `without_run`, then `outcomes`.

    Args:
        context: the module and the contracts; its observations are given to `probe`.
        rules: all rules by id.
        selected: the ids to report; the others are evaluated only as needs.
        waived: ids that count as kept when other rules need them.
    """

    def __init__(
        self,
        context: Context,
        rules: Mapping[str, Rule],
        *,
        selected: set[str] | None = None,
        waived: frozenset[str] = frozenset(),
    ) -> None:
        self._context = context
        self._rules = rules
        self._selected = set(rules) if selected is None else selected
        self._waived = waived
        self._states: dict[str, _State] = {}
        self._order = _in_order_of_needs(rules)

    @property
    def context(self) -> Context:
        """What the checks are given before a run."""
        return self._context

    def static(self) -> None:
        """Ask the static half of every rule."""
        with gc_paused():
            for rule in self._order:
                if rule.check is not None:
                    self._states[rule.id] = self._ask(rule, rule.check, "static", self._context)

    def break_off(self, reason: str) -> None:
        """Close every rule, because hubcheck itself failed before it could ask any."""
        for rule in self._order:
            self._states[rule.id] = _State("skipped", reason="hubcheck failed on this module", blocked=True)
        self._states[self._order[0].id] = _State("broken", reason=reason)

    def without_module(self, reason: str) -> None:
        """Close every rule, because the module could not be had, for no fault of its own."""
        for rule in self._order:
            self._states[rule.id] = _State("skipped", reason=reason, blocked=True, complete=False)

    def wants_run(self) -> bool:
        """Whether running the module could still decide anything."""
        return any(
            rule.probe is not None and rule.id in self._selected and self._blocker(rule, "probe") is None
            for rule in self._order
        )

    def without_run(self, reason: str, *, complete: bool, broken: bool = False) -> None:
        """Close what only a run could decide. `complete` is False if a run was wanted and could not be had, and
        `broken` tells that hubcheck itself is why."""
        for rule in self._order:
            state = self._states.get(rule.id)
            if state is None:
                state = self._skip_for(rule) or _State("skipped", reason=reason, complete=complete)
            elif state.open:
                state = replace(state, reason=f"{state.reason}; {reason}", open=False, complete=complete)
            self._states[rule.id] = state
        if broken:
            first = next(rule for rule in self._order if rule.probe is not None and rule.check is None)
            self._states[first.id] = _State("broken", reason=reason)

    def probe(self, observations: Any) -> None:
        """Ask the probe half of every rule that has one."""
        context = replace(self._context, observations=observations)
        for rule in self._order:
            before = self._states.get(rule.id)
            if rule.probe is None:
                if before is not None and before.open:
                    before.open = False
                continue
            if before is not None and (before.blocked or before.status == "broken"):
                continue
            seen = self._ask(rule, rule.probe, "probe", context)
            self._states[rule.id] = seen if before is None else _combined(before, seen)

    def outcomes(self) -> Iterator[Outcome]:
        """What became of every rule, in the order of the rule files."""
        for rule in self._rules.values():
            if rule.id not in self._selected:
                yield Outcome(rule.id, rule.level, "ignored", None, "not selected")
                continue
            state = self._states[rule.id]
            yield Outcome(rule.id, rule.level, state.status, state.decided_by, state.reason, state.complete)

    def findings(self) -> Iterator[Finding]:
        """The findings of the selected rules: errors first, then in the order of the rule files."""
        found = [f for rule in self._rules if rule in self._selected for f in self._states[rule].findings]
        yield from sorted(found, key=lambda finding: LEVELS.index(finding.level))

    def _ask(self, rule: Rule, name: str, half: Half, context: Context) -> _State:
        blocker = self._blocker(rule, half)
        if blocker is not None:
            return _State("skipped", reason=f"needs {blocker}", blocked=half == "static" or rule.check is None)
        try:
            said = list(bounded(predicate(name)(context, **rule.params)))
        except Exception:
            return _State("broken", reason=traceback.format_exc())
        faults = [item for item in said if isinstance(item, Fault)]
        remarks = [item for item in said if isinstance(item, Corroboration)]
        if faults:
            findings = merged([worded(rule, fault, context) for fault in faults], context.module)
            weighs = any(fault.level in (None, "error") for fault in faults)
            return _State("failed", half, weighs=weighs, findings=findings, remarks=remarks)
        skips = list(dict.fromkeys(item for item in said if isinstance(item, Skip)))
        if skips:
            reason = "; ".join(skip.reason for skip in skips)
            undecided, stops = any(skip.undecided for skip in skips), any(skip.blocks for skip in skips)
            complete = not any(skip.missed for skip in skips)
            return _State("skipped", reason=reason, open=undecided, blocked=stops, stops=stops, complete=complete)
        return _State("passed", half, remarks=remarks)

    def _skip_for(self, rule: Rule) -> _State | None:
        blocker = self._blocker(rule, "probe")
        return None if blocker is None else _State("skipped", reason=f"needs {blocker}", blocked=True)

    def _blocker(self, rule: Rule, half: Half) -> str | None:
        """The first need that does not hold, by the id of the rule that failed."""
        needs = rule.needs if half == "static" else (*rule.needs, *rule.run_needs)
        for need in needs:
            for other in matching(need, self._rules):
                state = self._states.get(other)
                if other not in self._waived and state is not None and state.blocks:
                    return other
        return None


def _combined(static: _State, seen: _State) -> _State:
    """Both halves of a rule: a run adds to what the files show and answers what they leave open; it clears nothing."""
    if seen.status == "broken":
        return replace(seen, findings=static.findings)
    if static.status == "failed":
        told = {remark.where: remark.text for remark in seen.remarks}
        findings = [
            replace(finding, message=f"{finding.message} ({told[finding.where]})") if finding.where in told else finding
            for finding in static.findings
        ]
        return replace(static, weighs=static.weighs or seen.weighs, findings=[*findings, *seen.findings])
    if seen.status == "skipped" and static.status == "passed":
        return static if seen.complete else replace(static, reason=f"decided by the files alone: {seen.reason}")
    if static.status == "passed" or static.open:
        return seen
    return static


def _in_order_of_needs(rules: Mapping[str, Rule]) -> list[Rule]:
    ordered: dict[str, Rule] = {}

    def place(rule: Rule, path: tuple[str, ...]) -> None:
        if rule.id in ordered or rule.id in path:
            return
        for need in (*rule.needs, *rule.run_needs):
            for other in matching(need, rules):
                place(rules[other], (*path, rule.id))
        ordered[rule.id] = rule

    for rule in rules.values():
        place(rule, ())
    return list(ordered.values())
