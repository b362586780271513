"""What a publisher recognises a mask by: its rate and the layer or scope that it stands in."""

from __future__ import annotations

from hubcheck.graph.dataflow.dependence import Dependence
from hubcheck.graph.dataflow.frame import Value
from hubcheck.graph.dataflow.inlining import InlinedGraph
from hubcheck.graph.dropout.masks import Mask
from hubcheck.graph.op_tables import elementwise as ew
from hubcheck.graph.op_tables.random_ops import random_ops

_STEPS = 200
_ABOVE = frozenset({"GreaterEqual", "Greater"})
_BELOW = frozenset({"LessEqual", "Less"})


def drop_rate(graph: InlinedGraph, dependence: Dependence, mask: Mask) -> float | None:
    """The share of entries that the mask drops, where uniform numbers are held against a constant."""
    kept = _share_of_ones(graph, dependence, mask.mask)
    if kept is None:
        return None
    frame, node = mask.frame, mask.node
    if frame.op(node) in ew.SELECTS:
        given = [dependence.images(value) for value in frame.inputs(node)[1:]]
        if all(given):
            return None  # nobody can tell which of the two is the one that is dropped
        if given == [False, True]:
            kept = 1 - kept
    return round(1 - kept, 6) if 0 <= kept <= 1 else None


def _share_of_ones(graph: InlinedGraph, dependence: Dependence, mask: Value) -> float | None:
    """How likely an entry of the mask is not zero."""
    waiting, seen = [mask], {mask}
    while waiting and len(seen) < _STEPS:
        value = waiting.pop(0)
        frame, node, _ = value
        op = frame.op(node)
        inputs = graph.originals(value) or frame.inputs(node)
        if (op in _ABOVE or op in _BELOW) and len(inputs) == 2:
            return _threshold(graph, dependence, inputs, op in _ABOVE)
        if op == "Floor" and inputs:
            return _floored(graph, inputs[0])
        for source in inputs:
            if source not in seen and dependence.random(source):
                seen.add(source)
                waiting.append(source)
    return None


def _threshold(graph: InlinedGraph, dependence: Dependence, inputs: list[Value], above: bool) -> float | None:
    """How likely uniform numbers in [0, 1) are above or below a constant."""
    drawn, bound = inputs
    if dependence.random(bound):
        drawn, bound, above = bound, drawn, not above
    constant = graph.constant(bound)
    if constant is None or constant.scalar is None or not _is_uniform(graph, dependence, drawn):
        return None
    return 1 - constant.scalar if above else float(constant.scalar)


def _floored(graph: InlinedGraph, value: Value) -> float | None:
    """How likely floor(keep + uniform) is one, as TensorFlow 1 wrote dropout."""
    frame, node, _ = value
    if frame.op(node) not in ("Add", "AddV2"):
        return None
    for term in frame.inputs(node):
        constant = graph.constant(term)
        if constant is not None and constant.scalar is not None:
            return float(constant.scalar)
    return None


def _is_uniform(graph: InlinedGraph, dependence: Dependence, value: Value) -> bool:
    """Whether the first random op behind a value draws uniform numbers."""
    waiting, seen = [value], {value}
    while waiting and len(seen) < _STEPS:
        value = waiting.pop(0)
        op = value[0].op(value[1])
        if op in random_ops():
            return "Uniform" in op
        for source in graph.originals(value) or value[0].inputs(value[1]):
            if source not in seen and dependence.random(source):
                seen.add(source)
                waiting.append(source)
    return False
