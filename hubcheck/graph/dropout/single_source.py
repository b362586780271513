"""Whether two values are made from one tensor without mixing its entries: normalisations and activations."""

from __future__ import annotations

import heapq
from collections.abc import Iterable

from hubcheck.graph.dataflow.dependence import Dependence
from hubcheck.graph.dataflow.frame import Value
from hubcheck.graph.dataflow.inlining import InlinedGraph
from hubcheck.graph.op_tables import elementwise as ew

_LIMIT = 300
"""Nodes between the operands and the tensor they have in common; a layer normalisation written out has 20."""
_COMBINE = ew.PRODUCTS | ew.QUOTIENTS | ew.SELECTS | ew.CAPS | ew.SUMS
_FIRST = ew.SAME | ew.UNARY | ew.REDUCTIONS | ew.NORMALISATIONS
_RESHAPES = frozenset({"Reshape", "Squeeze", "ExpandDims", "BroadcastTo", "Tile", "Transpose"})


def meet(graph: InlinedGraph, dependence: Dependence, operands: Iterable[Value]) -> bool:
    """Whether all paths from the operands back to the images go through one tensor, and on the way there
    are only element-wise ops, sums and means over axes, and no masks.

    So `x - mean(x)` and the two halves of a PReLU meet; the branches of a residual block do not.
    """
    frontier: dict[Value, int] = {value: dependence.order(value) for value in operands}
    heap = [(-order, number, value) for number, (value, order) in enumerate(frontier.items())]
    heapq.heapify(heap)
    count = len(heap)
    while len(frontier) > 1 and count < _LIMIT:
        _, _, value = heapq.heappop(heap)
        del frontier[value]
        sources = _made_from(graph, dependence, value)
        if sources is None:
            return False
        for source in sources:
            if source not in frontier and dependence.images(source):
                frontier[source] = dependence.order(source)
                heapq.heappush(heap, (-frontier[source], count, source))
                count += 1
    return len(frontier) == 1


def minus_itself(graph: InlinedGraph, dependence: Dependence, left: Value, right: Value) -> bool:
    """Whether a difference is `x - x * mask`: a dropout that keeps what others drop."""
    frame, node, _ = graph.see_through(right)
    if frame.op(node) not in ew.PRODUCTS:
        return False
    factors = frame.inputs(node)
    return any(map(dependence.mask, factors)) and graph.see_through(left) in [graph.see_through(f) for f in factors]


def _made_from(graph: InlinedGraph, dependence: Dependence, value: Value) -> list[Value] | None:
    frame, node, _ = value
    originals = graph.originals(value)
    if originals is not None:
        return originals
    op = frame.op(node)
    inputs = frame.inputs(node)
    if op in _FIRST or op in _RESHAPES:
        return inputs[:1]
    if op in _COMBINE and not any(map(dependence.mask, inputs)):
        return inputs
    return None
