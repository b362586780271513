"""Report one fault once: merge the faults that have one cause, and bound their number."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import replace

from hubcheck.checks.faults import CheckItem, Fault, Where
from hubcheck.module.types import Module
from hubcheck.rulebook.levels import LEVELS

MAX_FAULTS = 50
"""Nobody reads more findings of one rule, and a hostile file has as many as it has nodes."""


def distinct(items: Iterable[CheckItem], module: Module) -> Iterator[CheckItem]:
    """Yield the items of a check with one fault for each cause.

    Faults have one cause if their `group` is the same; faults without a group, if they differ in variant, trace and
    replay alone, and those of an input in the signature. The most severe of them is kept, then that of the inference
    variant, then the first; it names the other signatures and traces that have the same node, input or output.
    Secondary faults are dropped if there is any other.
    """
    inference = module.inference.name if module.inference is not None else None
    kept: dict[Hashable, Fault] = {}
    entries: dict[Hashable, dict[str, None]] = {}
    for item in items:
        if not isinstance(item, Fault):
            yield item
            continue
        cause = item.group if item.group is not None else _without_place(item)
        if cause not in kept and len(kept) == MAX_FAULTS:
            message = f"there are more than {MAX_FAULTS} findings of this rule; the others are not shown"
            kept[cause] = replace(item, where=Where(), found="", wanted="", message=message)
            break
        if cause not in kept or _rank(item, inference) < _rank(kept[cause], inference):
            kept[cause] = item
        if (place := _place(item)) is not None:
            entries.setdefault((cause, place), {}).setdefault(_entry(item.where))
    all_secondary = all(fault.secondary for fault in kept.values())
    for cause, fault in kept.items():
        if all_secondary or not fault.secondary:
            others = [entry for entry in entries.get((cause, _place(fault)), ()) if entry != _entry(fault.where)]
            yield replace(fault, found=f"{fault.found} (also in {', '.join(others)})") if others else fault


def _without_place(fault: Fault) -> Hashable:
    """Return what a fault says, but for the variant and the trace: checks say the same of each.

    Tasks take the same images, so that a fault of an input is the same in all signatures.
    """
    signature = None if fault.where.side == "inputs" else fault.where.signature
    return repr(replace(fault, where=replace(fault.where, variant=None, trace=None, signature=signature), replay=()))


def _place(fault: Fault) -> Hashable:
    """Return the node of a fault, or else its input or output and what is found there; None without any of these."""
    where = fault.where
    if where.node is not None:
        return where.node.name
    return (where.side, where.key, "" if fault.varies else fault.found) if where.side is not None else None


def _rank(fault: Fault, inference: str | None) -> tuple[int, bool]:
    return LEVELS.index(fault.level or "error"), fault.where.variant != inference


def _entry(where: Where) -> str:
    """Return the signature or trace of a place."""
    return where.signature or where.trace or ""
