"""Whether values are made from one tensor without mixing its entries, as in normalizations and activations."""

from __future__ import annotations

import heapq
from collections.abc import Iterable

from hubcheck.graph.dataflow.dependence import Dependence
from hubcheck.graph.dataflow.frame import MAX_SEARCH, Value
from hubcheck.graph.dataflow.inlining import InlinedGraph
from hubcheck.graph.op_tables import elementwise as ew

_COMBINE = ew.PRODUCTS | ew.QUOTIENTS | ew.SELECTS | ew.CAPS | ew.SUMS
_FIRST_INPUT = ew.SAME | ew.UNARY | ew.REDUCTIONS | ew.NORMALISATIONS | {
    "Reshape", "Squeeze", "ExpandDims", "BroadcastTo", "Tile", "Transpose"
}  # fmt: skip


def have_single_source(graph: InlinedGraph, dependence: Dependence, values: Iterable[Value]) -> bool:
    """Return whether all paths from the values back to the images go through one tensor.

    On the way there may be only element-wise ops, sums and means over axes, and no masks. So `x` and `mean(x)` have a
    single source, and so have the two halves of a PReLU; the branches of a residual block have not.
    """
    frontier = dict.fromkeys(values)
    heap = [(-dependence.order(value), number, value) for number, value in enumerate(frontier)]
    heapq.heapify(heap)
    count = len(heap)
    while len(frontier) > 1 and count < MAX_SEARCH:
        _, _, value = heapq.heappop(heap)
        del frontier[value]
        sources = _sources(graph, dependence, value)
        if sources is None:
            return False
        for source in sources:
            if source not in frontier and dependence.images(source):
                frontier[source] = None
                heapq.heappush(heap, (-dependence.order(source), count, source))
                count += 1
    return len(frontier) == 1


def _sources(graph: InlinedGraph, dependence: Dependence, value: Value) -> list[Value] | None:
    """Return what the entries of a value are made from, None if its op mixes or masks them."""
    frame, node, _ = value
    originals = graph.originals(value)
    if originals is not None:
        return originals
    op, inputs = frame.op(node), frame.inputs(node)
    if op in _FIRST_INPUT:
        return inputs[:1]
    return inputs if op in _COMBINE and not any(map(dependence.mask, inputs)) else None
