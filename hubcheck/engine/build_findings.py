"""Faults of checks as findings: with the texts of the rule, and safe to print."""

from __future__ import annotations

import re
import shlex

from hubcheck.checks.faults import Fault, Node, Where
from hubcheck.engine.findings import Finding
from hubcheck.module.types import Module
from hubcheck.rulebook.rules import Rule
from hubcheck.util.text import printable

_FIELD = re.compile(r"\{(\w+)\}")


def build_finding(rule: Rule, fault: Fault, module: Module, settings: tuple[str, ...] = ()) -> Finding:
    """Return the finding for a fault, with the rule's texts where the fault has none of its own.

    Args:
        rule: the rule that does not hold.
        fault: what its check found.
        module: the module.
        settings: the options of `hubcheck replay` with which the module was run.
    """
    fields = {"found": fault.found, "wanted": fault.wanted, **fault.details}
    template = fault.message or rule.message
    command = ("hubcheck", "replay", str(module.path), *fault.replay, *settings) if fault.replay else ()
    return Finding(
        rule=rule.id,
        level=fault.level or rule.level,
        where=_printable(fault.where),
        message=printable(_FIELD.sub(lambda match: str(fields.get(match[1], match[0])), template)),
        found=printable(fault.found),
        wanted=printable(fault.wanted),
        fix=printable(fault.fix or rule.fix),
        source=fault.source or rule.source,
        replay=shlex.join(command),
    )


def _printable(where: Where) -> Where:
    """Return the same place, with names that can be printed."""
    node = where.node
    if node is not None:
        node = Node(printable(node.name), printable(node.op), _name(node.function))
    variant, trace, signature, key = map(_name, (where.variant, where.trace, where.signature, where.key))
    return Where(variant, trace, signature, where.side, key, node)


def _name(text: str | None) -> str | None:
    return printable(text) if text is not None else None
