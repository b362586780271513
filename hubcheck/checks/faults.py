"""What a check reports: faults, skips and corroborations, and the place of each."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import field
from typing import Literal

from hubcheck.rulebook.levels import Level
from hubcheck.util.record import record

Side = Literal["inputs", "outputs"]


@record
class Node:
    """A node of the graph, in the library function `function` or (None) in the main graph."""

    name: str
    op: str
    function: str | None = None


@record
class Where:
    """The place of a fault, as narrow as it is known."""

    variant: str | None = None
    trace: str | None = None
    signature: str | None = None
    side: Side | None = None
    key: str | None = None
    node: Node | None = None


@record
class Fault:
    """What a check found wrong.

    Attributes:
        where: its place.
        found: what is there.
        wanted: what should be there.
        details: values for the `{names}` in the rule's message, in addition to {found} and {wanted}.
        message: a clearer sentence than the rule's own.
        fix: a more specific one than the rule's own.
        command: the arguments of a command that is another way to fix it.
        level: another one than the rule's own, for a lesser fault.
        source: where the requirement is specified, if not in the rule's own source.
        replay: the arguments of `hubcheck replay`, after the module's path, that show a fault of a run again.
        group: faults of a rule with the same group have one cause and are reported as one finding.
        blocks: whether it keeps the rules that need this one from being checked.
        varies: whether `found` has numbers that differ from run to run. They must not be in the message, because
            baselines keep it, and do not tell one cause from another.
        secondary: it probably has the cause of another fault of the rule, and is reported only if there is none.
    """

    where: Where
    found: str = ""
    wanted: str = ""
    details: Mapping[str, object] = field(default_factory=dict)
    message: str | None = None
    fix: str | None = None
    command: tuple[str, ...] = ()
    level: Level | None = None
    source: str | None = None
    replay: tuple[str, ...] = ()
    group: Hashable = None
    blocks: bool = True
    secondary: bool = False
    varies: bool = False


@record
class Checked:
    """The check looked at something that the rule is about. A rule of which nothing was checked has not passed."""


@record
class Corroboration:
    """A note on a finding of the files, at the same place, that a run adds: "confirmed by a run"."""

    where: Where
    text: str


@record
class Skip:
    """Why there is no answer. A plain Skip counts only if the check yields neither a Fault nor a Checked.

    Attributes:
        reason: one sentence.
        undecided: the question stays open, whatever else was checked. A run may answer it.
        incomplete: the same, and unless it is answered the verdict is incomplete.
        blocks: rules that need this one cannot be checked either.
        needs: the rule whose fault keeps this one from being checked, where its rule file does not list it as a need:
            only some of that rule's faults do.
    """

    reason: str
    undecided: bool = False
    incomplete: bool = False
    blocks: bool = False
    needs: str | None = None


CheckItem = Checked | Corroboration | Fault | Skip
"""What a check yields."""
