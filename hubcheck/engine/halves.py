"""What each half of a rule concluded, and the table that combines the two."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, NamedTuple

from hubcheck.checks.faults import Corroboration
from hubcheck.engine.findings import Finding, Status
from hubcheck.util.record import record

HalfName = Literal["static", "probe"]
HalfVerdict = Literal["passed", "failed", "undecided", "inapplicable", "blocked", "crashed", "not-run"]


@record
class Half:
    """The conclusion of the static or the probe half of a rule.

    Attributes:
        verdict: `inapplicable` if there was nothing to check, `undecided` if the question stays open, `blocked` if a
            needed rule failed, `not-run` if there is no such half or it was not run.
        reason: why there is no answer; a traceback or the author's error if the check crashed.
        findings: the findings of a failed half.
        corroborations: what a probe half says about the findings of the static half.
        blocks: rules that need this one cannot be checked.
        complete: False if an answer was wanted and could not be had.
        rule_error: the check that crashed is not hubcheck's own.
        rests_on: the needs because of which it is blocked.
    """

    verdict: HalfVerdict
    reason: str | None = None
    findings: tuple[Finding, ...] = ()
    corroborations: tuple[Corroboration, ...] = ()
    blocks: bool = False
    complete: bool = True
    rule_error: bool = False
    rests_on: tuple[str, ...] = ()


ABSENT = Half("not-run")


class Decision(NamedTuple):
    """The conclusion of a whole rule."""

    status: Status
    decided_by: HalfName | None = None
    reason: str | None = None
    findings: tuple[Finding, ...] = ()
    complete: bool = True
    rule_error: bool = False
    rests_on: tuple[str, ...] = ()


def combine(static: Half, probe: Half = ABSENT) -> Decision:
    """Combine the two halves of a rule.

    A run adds findings to those of the files and answers what the files leave open, but clears nothing:

    | static / probe | not run | inapplicable or blocked | passed       | failed         | undecided           |
    |----------------|---------|-------------------------|--------------|----------------|---------------------|
    | failed         | failed  | failed                  | failed, note | failed, merged | failed              |
    | passed         | passed  | passed                  | passed       | failed         | passed, with reason |
    | inapplicable   | skipped | skipped                 | passed       | failed         | skipped             |
    | undecided      | skipped | skipped                 | passed       | failed         | skipped, incomplete |
    | not run        | skipped | skipped                 | passed       | failed         | skipped, incomplete |

    Where either half crashed, the rule has crashed; findings of the static half are kept. The probe half of a rule
    whose static half is blocked or crashed is not run. A rule that passed by its files alone is incomplete where an
    answer of the run was wanted and could not be had; the needs that a blocked half rests on are those of the rule,
    unless it failed or there is nothing to check. The same holds where the files show a warning or a note alone.
    """
    for half in (static, probe):
        if half.verdict == "crashed":
            return Decision("broken", None, half.reason, static.findings, False, half.rule_error)
    if static.verdict == "failed":
        # A lesser finding leaves the module conforming, so that an answer of the run that is missing counts.
        complete = probe.complete or any(finding.level == "error" for finding in static.findings)
        reason = None if complete else probe.reason
        return Decision("failed", "static", reason, (*_corroborated(static, probe), *probe.findings), complete)
    if probe.verdict == "failed":
        return Decision("failed", "probe", None, probe.findings)
    if static.verdict == "passed" and probe.verdict != "passed":
        is_partial = probe.verdict == "undecided" or not probe.complete
        unanswered = f"decided by the files alone: {probe.reason}" if is_partial else None
        return Decision("passed", "static", unanswered, complete=probe.complete, rests_on=probe.rests_on)
    if probe.verdict == "passed":
        return Decision("passed", "probe")
    if static.verdict == "undecided" and probe.verdict == "not-run":
        reason = "; ".join(filter(None, (static.reason, probe.reason)))
        return Decision("skipped", None, reason, complete=static.complete and probe.complete)
    deciding = probe if static.verdict in ("undecided", "not-run") else static
    return Decision("skipped", None, deciding.reason, complete=deciding.complete, rests_on=deciding.rests_on)


def _corroborated(static: Half, probe: Half) -> tuple[Finding, ...]:
    """Return the findings of the static half with what the run says about them."""
    notes = {item.where: f" ({item.text})" for item in probe.corroborations}
    return tuple(replace(f, message=f"{f.message}{notes.get(f.where, '')}") for f in static.findings)
