"""The rate of a dropout mask."""

from __future__ import annotations

from collections.abc import Iterator

from hubcheck.graph.dataflow.dependence import Dependence
from hubcheck.graph.dataflow.frame import MAX_SEARCH, Value
from hubcheck.graph.dataflow.inlining import InlinedGraph
from hubcheck.graph.dropout.masks import Mask
from hubcheck.graph.op_tables import elementwise as ew
from hubcheck.graph.op_tables.ops import random_ops

_ABOVE = frozenset({"GreaterEqual", "Greater"})
_BELOW = frozenset({"LessEqual", "Less"})


def drop_rate(graph: InlinedGraph, dependence: Dependence, mask: Mask) -> float | None:
    """Return the share of entries that a mask drops, if it compares uniform random numbers with a constant."""
    kept = _share_of_ones(graph, dependence, mask.mask)
    if kept is None:
        return None
    frame, node = mask.frame, mask.node
    if frame.op(node) in ew.SELECTS:
        images = [dependence.images(value) for value in frame.inputs(node)[1:]]
        if all(images):
            return None  # either of the two can be the one that is dropped
        if images == [False, True]:
            kept = 1 - kept
    return round(1 - kept, 6) if 0 <= kept <= 1 else None


def _share_of_ones(graph: InlinedGraph, dependence: Dependence, mask: Value) -> float | None:
    """Return the probability that an entry of the mask is not zero."""
    for frame, node, _ in _random_sources(graph, dependence, mask):
        op, inputs = frame.op(node), frame.inputs(node)
        if (op in _ABOVE or op in _BELOW) and len(inputs) == 2:
            return _threshold(graph, dependence, inputs, op in _ABOVE)
        if op == "Floor" and inputs:
            # floor(keep + uniform), as TensorFlow 1 wrote dropout
            inner, adding, _ = inputs[0]
            scalars = map(graph.scalar, inner.inputs(adding) if inner.op(adding) in ew.ADDS else ())
            return next((float(scalar) for scalar in scalars if scalar is not None), None)
    return None


def _threshold(graph: InlinedGraph, dependence: Dependence, inputs: list[Value], above: bool) -> float | None:
    """Return the probability that uniform numbers in [0, 1) are above or below a constant."""
    drawn, bound = inputs
    if dependence.random(bound):
        drawn, bound, above = bound, drawn, not above
    scalar = graph.scalar(bound)
    ops = (frame.op(node) for frame, node, _ in _random_sources(graph, dependence, drawn))
    if scalar is None or "Uniform" not in next((op for op in ops if op in random_ops()), ""):
        return None
    return 1 - scalar if above else float(scalar)


def _random_sources(graph: InlinedGraph, dependence: Dependence, value: Value) -> Iterator[Value]:
    """Yield a value and the random values from which it is made, nearest first."""
    waiting, seen = [value], {value}
    for found in waiting:
        yield found
        for source in graph.sources(found):
            if source not in seen and dependence.random(source) and len(seen) < MAX_SEARCH:
                seen.add(source)
                waiting.append(source)
