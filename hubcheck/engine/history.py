"""How the findings of a run compare with those of earlier runs: what reports show of a history."""

from __future__ import annotations

from typing import NamedTuple

from hubcheck.rulebook.levels import Level


class Change(NamedTuple):
    """A rule on a module, whose findings are new, fixed or still there.

    Attributes:
        path: the module's path or URI, as in its report.
        rule: the rule's id.
        level: the highest level of these findings.
        findings: how many there are.
        since: when the first of them was found first, in UTC: "2026-11-26T12:00:00Z".
        runs: in how many runs it was found, up to this one.
    """

    path: str
    rule: str
    level: Level
    findings: int
    since: str
    runs: int


class History(NamedTuple):
    """What changed since the last run of the same modules.

    Attributes:
        previous: when the latest of the earlier runs of these modules was; None if this is the first one.
        new: findings that count and were not there in the module's last run.
        fixed: findings that were there and are not any more, although their rules were checked.
        failing: findings that count and were there already.
    """

    previous: str | None
    new: tuple[Change, ...] = ()
    fixed: tuple[Change, ...] = ()
    failing: tuple[Change, ...] = ()
