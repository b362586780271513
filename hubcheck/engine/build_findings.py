"""What predicates say, as findings: worded, placed, bounded, and told once."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import replace

from hubcheck.checks.context import Context
from hubcheck.checks.faults import CheckItem, Fault, Node, Where
from hubcheck.engine.findings import Finding
from hubcheck.module.types import Module
from hubcheck.rulebook.rules import Rule
from hubcheck.util.text import printable

_MOST_FAULTS = 200
_FIELD = re.compile(r"\{(\w+)\}")


def bounded(said: Iterator[CheckItem]) -> Iterator[CheckItem]:
    """No more faults than anybody reads: a hostile file has as many as it has nodes."""
    faults = 0
    for item in said:
        faults += isinstance(item, Fault)
        if isinstance(item, Fault) and faults > _MOST_FAULTS:
            message = f"there are more findings of this rule than the {_MOST_FAULTS} that are told"
            yield replace(item, where=Where(), found="", wanted="", message=message)
            return
        yield item


def worded(rule: Rule, fault: Fault, context: Context) -> Finding:
    """A fault as it is reported: in the rule's words where it has none of its own, and fit to be printed."""
    fields = {"found": fault.found, "wanted": fault.wanted, **fault.details}
    template = fault.message or rule.message
    return Finding(
        rule=rule.id,
        level=fault.level or rule.level,
        where=_place(fault.where),
        message=printable(_FIELD.sub(lambda match: str(fields.get(match[1], match[0])), template)),
        found=printable(fault.found),
        wanted=printable(fault.wanted),
        fix=printable(fault.fix or rule.fix),
        source=rule.source,
        replay=_command(context, fault.replay) if fault.replay else "",
    )


def _command(context: Context, arguments: tuple[str, ...]) -> str:
    """The command that makes the calls of a fault again, as they were made."""
    settings = context.observations.settings if context.observations is not None else ()
    return shlex.join(("hubcheck", "replay", str(context.module.path), *arguments, *settings))


def _place(where: Where) -> Where:
    """The same place, with names that can be printed."""
    node = where.node
    if node is not None:
        node = Node(printable(node.name), printable(node.op), _name(node.function))
    return Where(_name(where.variant), _name(where.trace), _name(where.signature), where.side, _name(where.key), node)


def _name(text: str | None) -> str | None:
    return printable(text) if text is not None else None


def merged(findings: list[Finding], module: Module) -> list[Finding]:
    """A fault that variants or traces share is told once, of the inference variant if that has it."""
    inference = module.inference.name if module.inference is not None else None
    kept: dict[Finding, Finding] = {}
    for found in findings:
        alike = replace(found, where=replace(found.where, variant=None, trace=None), replay="")
        if alike not in kept or found.where.variant == inference:
            kept[alike] = found
    return list(kept.values())
