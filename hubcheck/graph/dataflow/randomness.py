"""Which nodes and functions of a graph make random values."""

from __future__ import annotations

from collections.abc import Iterable

from hubcheck.graph.dataflow.body import Body
from hubcheck.graph.op_tables.ops import Randomness, random_ops


def randomness_of(body: Body, index: int) -> Randomness | None:
    """Return in which way a node makes random values, None if it makes none."""
    kind = random_ops().get(body.ops[index])
    # Fractional pooling has an attribute that fixes its regions.
    fixed = body.attribute(index, "deterministic") if kind is not None else None
    return None if fixed is not None and fixed.b else kind


def has_random_op(bodies: Iterable[Body]) -> bool:
    """Return whether any of these bodies has a random op at all: most graphs have none."""
    table = random_ops().keys()
    return any(not table.isdisjoint(body.kinds) for body in bodies)
