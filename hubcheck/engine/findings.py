"""Findings and outcomes of rules, as reports hold them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hubcheck.checks.faults import Where
from hubcheck.rulebook.levels import Level

Status = Literal["passed", "failed", "skipped", "ignored", "broken"]


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault as it is reported: `source` cites the text that the rule stands on.

    `replay` is the command that shows it again, if it was seen in a run.
    """

    rule: str
    level: Level
    where: Where
    message: str
    found: str
    wanted: str
    fix: str
    source: str
    replay: str = ""

    @property
    def brief(self) -> str:
        """The finding as a note on a node of a graph."""
        return f"{self.rule}: {self.message}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one rule on one module.

    `complete` is False where something that was asked for could not be run, so the verdict stays open. What passed
    with a `reason` was decided without a part of what was asked for.
    """

    rule: str
    level: Level
    status: Status
    decided_by: Literal["static", "probe"] | None = None
    reason: str | None = None
    complete: bool = True
