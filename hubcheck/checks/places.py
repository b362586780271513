"""The places of faults in a graph, as findings and publishers name them."""

from __future__ import annotations

import re

from hubcheck.checks.faults import Node, Where
from hubcheck.graph.dataflow.frame import CallFrame
from hubcheck.graph.entry_points import DEFAULT, EntryPoint
from hubcheck.module.types import Variant

_INNER = r"(?i)(stateless_)?dropout(_\d+)?$"


def where_in(variant: Variant, entry: EntryPoint, node: Node | None = None, key: str | None = None) -> Where:
    """Return the place of a fault: a node that an entry point needs, at its output `key` or anywhere."""
    trace = entry.trace.name if entry.trace is not None else None
    shown = None if entry.trace is not None and key == DEFAULT and DEFAULT not in entry.trace.outputs else key
    return Where(variant.name, trace, entry.signature, "outputs" if key is not None else None, shown, node)


def node_of(frame: CallFrame, node: int) -> Node:
    """Return a node as findings name it."""
    return Node(frame.body.names[node], frame.op(node), frame.body.function)


def layer_name(frame: CallFrame, node: int) -> str:
    """Return the layer or name scope of a node: "model/dropout_1" for "model/dropout_1/dropout/Mul_1".

    It is the innermost scope that is named after dropout, else the scope of the node; for a node without a scope, that
    of the call which runs its function.
    """
    around: CallFrame | None = frame
    while around is not None:
        parts = around.body.names[node].split("/")[:-1]
        last = max((i for i, part in enumerate(parts) if "drop" in part.lower()), default=len(parts))
        # Layers open a scope of their own name, in which the dropout function opens another one.
        while 0 < last < len(parts) and re.match(_INNER, parts[last]) and "drop" in parts[last - 1].lower():
            last -= 1
        calls = ("StatefulPartitionedCall", "PartitionedCall")
        parts = [part for part in parts[: last + 1] if not part.startswith(calls)]
        if parts:
            return "/".join(parts)
        node, around = around.site, around.caller
    return ""
