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

    Attributes:
        status: "broken" if a check raised.
        decided_by: the half that passed or failed.
        reason: why it was skipped or crashed; of a rule that passed, which part of it could not be checked.
        complete: False if something that was wanted could not be decided: the verdict is then incomplete.
        rule_error: the check that raised is not hubcheck's own, so its author has to fix it.
        rests_on: the ids of the rules whose faults keep this one, or a part of it, from being checked.
    """

    rule: str
    level: Level
    status: Status
    decided_by: Literal["static", "probe"] | None = None
    reason: str | None = None
    complete: bool = True
    rule_error: bool = False
    rests_on: tuple[str, ...] = ()

    @property
    def crash_title(self) -> str:
        """What to say of a rule that is "broken", and who has to act."""
        if self.rule_error:
            return f"the check of rule {self.rule} raised an error"
        return f"internal error of hubcheck in rule {self.rule}; please report it"
