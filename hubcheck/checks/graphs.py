"""Faults at nodes of a graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from hubcheck.checks.faults import Fault, Node, Where
from hubcheck.graph.dataflow.frame import CallFrame
from hubcheck.graph.entry_points import DEFAULT, EntryPoint
from hubcheck.module.types import Variant


def where_in(variant: Variant, entry: EntryPoint, node: Node | None = None, key: str | None = None) -> Where:
    """Return the place of a fault: a node that an entry point needs, at its output `key` or anywhere."""
    trace = entry.trace.name if entry.trace is not None else None
    shown = None if entry.trace is not None and key == DEFAULT and DEFAULT not in entry.trace.outputs else key
    return Where(variant.name, trace, entry.signature, "outputs" if key is not None else None, shown, node)


class Places:
    """Faults of one kind, by the node that is at fault: a node met again, in a copy of its function or from
    another output, is the same fault in one more place."""

    def __init__(self) -> None:
        self._faults: dict[tuple[str, str], Fault] = {}
        self._others: dict[tuple[str, str], dict[str, None]] = {}

    def __bool__(self) -> bool:
        return bool(self._faults)

    def add(self, node: Node, entry: EntryPoint, fault: Callable[[], Fault]) -> None:
        """Note a node; `fault` tells of it if it is new."""
        key = (node.name, node.op)
        if key not in self._faults:
            self._faults[key] = fault()
            self._others[key] = {}
        elif entry.label != _label(self._faults[key].where):
            self._others[key].setdefault(entry.label)

    def faults(self) -> Iterator[Fault]:
        """Each fault with the other places where it was met; of very many, the first ones."""
        for number, (key, fault) in enumerate(self._faults.items(), 1):
            notes = [f"also in {', '.join(self._others[key])}"] if self._others[key] else []
            if number == _MOST_FAULTS and len(self._faults) > number:
                notes.append(f"and {len(self._faults) - number:,} nodes more like this one")
            yield replace(fault, found=f"{fault.found} ({'; '.join(notes)})") if notes else fault
            if number == _MOST_FAULTS:
                return


_MOST_FAULTS = 50
"""Nodes that a rule names in a variant: nobody reads more, and a model can have a random op in each of its layers."""


def _label(where: Where) -> str:
    return where.signature or where.trace or ""


def node_of(frame: CallFrame, node: int) -> Node:
    """How a finding names a node."""
    return Node(frame.body.names[node], frame.op(node), frame.body.function)
