"""The places of faults in a graph."""

from __future__ import annotations

from hubcheck.checks.faults import Node, Where
from hubcheck.graph.dataflow.frame import CallFrame
from hubcheck.graph.entry_points import DEFAULT, EntryPoint
from hubcheck.module.types import Variant


def where_in(variant: Variant, entry: EntryPoint, node: Node | None = None, key: str | None = None) -> Where:
    """Return the place of a fault: a node that an entry point needs, at its output `key` or anywhere."""
    trace = entry.trace.name if entry.trace is not None else None
    shown = None if entry.trace is not None and key == DEFAULT and DEFAULT not in entry.trace.outputs else key
    return Where(variant.name, trace, entry.signature, "outputs" if key is not None else None, shown, node)


def node_of(frame: CallFrame, node: int) -> Node:
    """Return a node as findings name it."""
    return Node(frame.body.names[node], frame.op(node), frame.body.function)
