"""The layer of a node, as a publisher would call it."""

from __future__ import annotations

import re

from hubcheck.graph.dataflow.frame import CallFrame

_INNER = re.compile(r"(stateless_)?dropout(_\d+)?$", re.IGNORECASE)


def layer_name(frame: CallFrame, node: int) -> str:
    """Return the layer or name scope of a node: "model/dropout_1" for "model/dropout_1/dropout/Mul_1".

    It is the innermost scope that is named after dropout, else the scope of the node; for a node without a scope, that
    of the call which runs its function.
    """
    around: CallFrame | None = frame
    while around is not None:
        parts = around.body.names[node].split("/")[:-1]
        named = [i for i, part in enumerate(parts) if "drop" in part.lower()]
        if named:
            last = named[-1]
            # Layers open a scope of their own name, in which the dropout function opens another one.
            while last and _INNER.match(parts[last]) and "drop" in parts[last - 1].lower():
                last -= 1
            parts = parts[: last + 1]
        parts = [part for part in parts if not part.startswith(("StatefulPartitionedCall", "PartitionedCall"))]
        if parts:
            return "/".join(parts)
        node, around = around.site, around.caller
    return ""
