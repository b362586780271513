"""Sigmoids and log-sigmoids in whatever ops they are written, recognised by the values that they take."""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import pairwise

from hubcheck.graph.dataflow.body import Port
from hubcheck.graph.dataflow.constants import Constant, Number
from hubcheck.graph.dataflow.dependence import Dependence
from hubcheck.graph.dataflow.folding import ELEMENTWISE, Fold, fold
from hubcheck.graph.dataflow.frame import CallFrame, Value
from hubcheck.graph.dataflow.inlining import InlinedGraph
from hubcheck.graph.op_tables import elementwise as ew

_MAX_NODES = 20
"""Nodes that make a sigmoid: one from a hyperbolic tangent that is itself made of exponentials has ten."""
_CURVED = frozenset({"Exp", "Expm1", "Tanh", "Softplus"})
"""Ops of which at least one is in every sigmoid."""
_DISTANCES = (0.01, 0.1, 1.0, 10.0)
"""Distances of the five points at which a function is computed: scores can be of any size."""


def logistic(graph: InlinedGraph, dependence: Dependence, value: Value) -> str | None:
    """Return "sigmoid" if a value is c / (1 + exp(-kx - b)) of a value x that the images make, for any c, k and b.

    "log-sigmoid" if it is the logarithm of that, None if it is neither, or a copy.
    """
    if value[0].op(value[1]) in ew.SAME:
        return None
    for x, constants in _single_sources(graph, dependence, value):
        for distance in _DISTANCES:
            points = Constant((5,), tuple(distance * number for number in (-2, -1, 0, 1, 2)))
            values = _computed(graph, value, {**constants, x: points})
            if values is not None and _is_logistic(values):
                return "sigmoid"
            if values is not None and max(map(abs, values)) < _MAX_EXPONENT and _is_logistic([*map(math.exp, values)]):
                return "log-sigmoid"
    return None


def _single_sources(
    graph: InlinedGraph, dependence: Dependence, value: Value
) -> Iterator[tuple[Value, dict[Value, Constant]]]:
    """Yield the values, nearest first, of which each entry makes one entry of the result, with single numbers alone.

    With each come these numbers. What the images do not make comes in only as a constant.
    """
    constants: dict[Value, Constant] = {}
    frontier, heap = {value}, [(-dependence.order(value), 0, value)]
    is_curved, count = False, 0
    while heap and count < _MAX_NODES:
        taken = heapq.heappop(heap)[-1]
        frontier.remove(taken)
        op, sources = graph.fold_step(taken)
        if op not in ELEMENTWISE or not sources:
            return
        is_curved = is_curved or op in _CURVED
        for source in sources:
            if not dependence.images(source):
                constant = graph.constant(source)
                if constant is None or len(set(constant.values)) != 1:
                    return
                constants[source] = Constant((), constant.values[:1])
            elif source not in frontier:
                count += 1
                frontier.add(source)
                heapq.heappush(heap, (-dependence.order(source), count, source))
        if is_curved and len(heap) == 1:
            yield heap[0][-1], constants


def _computed(graph: InlinedGraph, value: Value, known: Mapping[Value, Constant]) -> tuple[Number, ...] | None:
    """Return the five numbers that a value is at five points; None if it cannot be computed there."""
    memo: defaultdict[CallFrame, dict[Port, Constant | None]] = defaultdict(dict)

    def step(value: Value) -> Fold:
        return (known[value], []) if value in known else graph.fold_step(value)

    constant = fold(value, step, memo.__getitem__)
    return constant.values if constant is not None and len(constant.values) == 5 else None


def _is_logistic(values: tuple[Number, ...] | list[float]) -> bool:
    """Return whether the inverses of five numbers are a constant and a geometric sequence, both positive."""
    if min(values) <= 0:
        return False
    inverses = [1 / value for value in values]
    steps = [after - before for before, after in pairwise(inverses)]
    if not all(steps):
        return False
    ratio, *others = (after / before for before, after in pairwise(steps))
    if any(abs(other - ratio) > _TOLERANCE * ratio for other in others) or abs(math.log(ratio)) < _LEAST_GROWTH:
        return False
    start = steps[0] / (ratio - 1)
    return start > 0 and inverses[0] - start > _LEAST_CONSTANT * max(inverses)


_TOLERANCE = 1e-6
_LEAST_GROWTH = 0.05
"""What grows less is a straight line, too."""
_LEAST_CONSTANT = 1e-9
"""A smaller constant is a rounding error, as of an exponential."""
_MAX_EXPONENT = 500.0
