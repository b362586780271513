"""Random draws with a certain outcome: a dropout rate of 0, or a `keep_prob` that is 1 unless it is fed."""

from __future__ import annotations

import math

from hubcheck.graph.dataflow.frame import MAX_CHAIN, Resolver, Value
from hubcheck.graph.op_tables import elementwise as ew

MASK_OPS = frozenset({"Greater", "GreaterEqual", "Less", "LessEqual", "Floor"})
"""The ops that make masks from uniform numbers."""
_UNIFORM = frozenset({"RandomUniform", "StatelessRandomUniform", "StatelessRandomUniformV2", "StatefulUniform"})
_Interval = tuple[float, float]
"""The numbers from the first up to, but without, the second."""


def is_constant_draw(graph: Resolver, value: Value) -> bool:
    """Return whether a value that is computed from uniform random numbers is the same whatever they are."""
    frame, node, _ = value
    op = frame.op(node)
    inputs = frame.inputs(node)
    if op == "Floor" and len(inputs) == 1:
        drawn = _interval(graph, inputs[0])
        return drawn is not None and math.floor(drawn[0]) == math.ceil(drawn[1]) - 1
    if op not in MASK_OPS or len(inputs) != 2:
        return False
    for drawn, bound in ((_interval(graph, inputs[0]), inputs[1]), (_interval(graph, inputs[1]), inputs[0])):
        constant = graph.constant(bound) if drawn is not None else None
        if drawn is not None and constant is not None and constant.values:
            # The ops differ at the bound itself, which is almost never drawn.
            return min(constant.values) >= drawn[1] or max(constant.values) <= drawn[0]
    return False


def _interval(graph: Resolver, value: Value) -> _Interval | None:
    """Return the range of uniform numbers after shifts and scales by constants; None for any other value."""
    steps: list[tuple[str, float, bool]] = []
    for _ in range(MAX_CHAIN):
        frame, node, _ = value
        op = frame.op(node)
        if op in _UNIFORM:
            return _moved((0.0, 1.0), steps)
        if op in MASK_OPS or op in ew.SELECTS:
            return None
        originals = graph.originals(value)
        inputs = frame.inputs(node)
        if originals is not None or op in ew.SAME:
            sources = inputs[:1] if originals is None else originals
            if len(sources) != 1:
                return None
            (value,) = sources
            continue
        if op not in ew.ADDS | {"Sub", "Mul"} or len(inputs) != 2:
            return None
        constants = [graph.constant(source) for source in inputs]
        first = constants[0] is None
        constant = constants[1] if first else constants[0]
        if constant is None or constant.scalar is None or None not in constants:
            return None
        steps.append((op, float(constant.scalar), first))
        value = inputs[0] if first else inputs[1]
    return None


def _moved(interval: _Interval, steps: list[tuple[str, float, bool]]) -> _Interval:
    low, high = interval
    for op, constant, first in reversed(steps):
        if op == "Mul":
            low, high = low * constant, high * constant
        elif op != "Sub":
            low, high = low + constant, high + constant
        elif first:
            low, high = low - constant, high - constant
        else:
            low, high = constant - low, constant - high
    return min(low, high), max(low, high)
