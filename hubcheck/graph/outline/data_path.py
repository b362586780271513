"""The nodes on the data path from the images to the outputs, each after those that feed it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from hubcheck.graph.dataflow.dependence import SHAPES_ONLY, Dependence
from hubcheck.graph.dataflow.frame import CallFrame, Value
from hubcheck.graph.dataflow.inlining import InlinedGraph

_OMITTED = frozenset({"Identity", "IdentityN", "StopGradient", "ReadVariableOp"})
"""Ops that are no step of their own."""
_MAX_SOURCES = 16
"""Steps that feed one step: a merge of merges could have any number."""


class PathStep(NamedTuple):
    """A node that computes something from the images; `sources` are the numbers of the steps whose results it uses."""

    frame: CallFrame
    node: int
    sources: tuple[int, ...]


def data_path(graph: InlinedGraph, dependence: Dependence, outputs: Iterable[Value]) -> list[PathStep]:
    """Return the steps from the images to the outputs; calls, identities and the like are seen through."""
    steps: list[PathStep] = []
    made: dict[Value, tuple[int, ...]] = {}
    entered: set[Value] = set()
    stack = [(value, False) for value in reversed(list(outputs))]
    while stack:
        value, visited = stack.pop()
        key, sources = _key(graph, value), _sources(graph, value)
        if not visited:
            if key not in entered and dependence.images(value):
                entered.add(key)
                stack.append((value, True))
                stack += [(source, False) for source in reversed(sources)]
            continue
        # Edges that lead back in a loop are left out: their steps do not exist yet.
        numbers = dict.fromkeys(number for source in sources for number in made.get(_key(graph, source), ()))
        made[key] = tuple(numbers)[:_MAX_SOURCES]
        frame, node, _ = value
        if graph.originals(value) is None and frame.op(node) not in _OMITTED:
            steps.append(PathStep(frame, node, made[key]))
            made[key] = (len(steps) - 1,)
    return steps


def _sources(graph: InlinedGraph, value: Value) -> list[Value]:
    return [] if value[0].op(value[1]) in SHAPES_ONLY else graph.sources(value)


def _key(graph: InlinedGraph, value: Value) -> Value:
    """Return one value for all outputs of a node that computes them together."""
    frame, node, _ = value
    return value if frame.op(node) in graph.copying_ops else (frame, node, 0)
