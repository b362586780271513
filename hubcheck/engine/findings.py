"""Findings and outcomes of rules, as reports hold them: with the texts of the rule, and safe to print."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from hubcheck.checks.faults import Fault, Node, Where
from hubcheck.rulebook.levels import Level
from hubcheck.util.record import record
from hubcheck.util.text import printable

if TYPE_CHECKING:
    from hubcheck.module.types import Module
    from hubcheck.rulebook.rules import Rule

FIELD = re.compile(r"\{(\w+)\}")
"""A field in the message of a rule."""

Status = Literal["passed", "failed", "skipped", "ignored", "broken"]


@record
class Finding:
    """A fault as it is reported: `source` cites the text that the rule stands on.

    `command` is one that fixes it as told, if there is any; `fix_command` is the `hubcheck fix` that fixes it without
    being told; `replay` shows it again, if it was seen in a run.
    """

    rule: str
    level: Level
    where: Where
    message: str
    found: str
    wanted: str
    fix: str
    source: str
    command: str = ""
    replay: str = ""
    fix_command: str = ""

    @property
    def is_fixable(self) -> bool:
        """Whether `hubcheck fix` fixes it."""
        return bool(self.fix_command)

    @property
    def brief(self) -> str:
        """The finding as a note on a node of a graph."""
        return f"{self.rule}: {self.message}"


@record
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


def build_finding(rule: Rule, fault: Fault, module: Module, settings: tuple[str, ...] = ()) -> Finding:
    """Return the finding for a fault, with the rule's texts where the fault has none of its own.

    `settings` are the options of `hubcheck replay` with which the module was run.

    Raises:
        LookupError: the rule's message names a field that the fault does not have.
    """
    fields = {"found": fault.found, "wanted": fault.wanted, **fault.details}
    unknown = [name for name in FIELD.findall(rule.message) if name not in fields] if fault.message is None else []
    if unknown:
        raise LookupError(f"the message names {{{unknown[0]}}}, but the fault has only {', '.join(fields)}")
    template = fault.message or rule.message
    replay = ("hubcheck", "replay", str(module.path), *fault.replay, *settings) if fault.replay else ()
    return Finding(
        rule=rule.id,
        level=fault.level or rule.level,
        where=_printable(fault.where),
        message=printable(FIELD.sub(lambda match: str(fields.get(match[1], match[0])), template)),
        found=printable(fault.found),
        wanted=printable(fault.wanted),
        fix=printable(fault.fix or rule.fix),
        source=printable(fault.source or rule.source),
        command=shell_command(fault.command),
        replay=shell_command(replay),
    )


def with_more_options(finding: Finding, options: Sequence[str]) -> Finding:
    """Return a finding whose command for `hubcheck replay`, if it has one, has these options too."""
    return (
        replace(finding, replay=f"{finding.replay} {shell_command(options)}") if options and finding.replay else finding
    )


def shell_command(arguments: Sequence[str]) -> str:
    """Return a command to paste into a shell, whole: half of it would be another one."""
    import shlex  # slow to import

    return printable(line := shlex.join(arguments), max_length=len(line))


def _printable(where: Where) -> Where:
    """Return the same place, with names that can be printed."""
    node = where.node
    if node is not None:
        node = Node(printable(node.name), printable(node.op), _name(node.function))
    variant, trace, signature, key = map(_name, (where.variant, where.trace, where.signature, where.key))
    return Where(variant, trace, signature, where.side, key, node)


def _name(text: str | None) -> str | None:
    return printable(text) if text is not None else None
