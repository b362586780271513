"""The nodes on the way from the images to the outputs, each after those that feed it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from hubcheck.graph.dataflow.dependence import SHAPES_ONLY, Dependence
from hubcheck.graph.dataflow.frame import CallFrame, Value
from hubcheck.graph.dataflow.inlining import InlinedGraph

_SILENT = frozenset({"Identity", "IdentityN", "StopGradient", "ReadVariableOp"})
"""Ops that are no step on the way."""
_MOST_SOURCES = 16
"""Steps that feed one step: those of a merge of merges could be any number."""


@dataclass(frozen=True, slots=True)
class Step:
    """A node that computes something of the images; `sources` are the numbers of the steps whose results it takes."""

    frame: CallFrame
    node: int
    sources: tuple[int, ...]


@dataclass(slots=True)
class _Open:
    value: Value
    place: Value
    inputs: Sequence[Value]
    waiting: Iterator[Value]


def way(graph: InlinedGraph, dependence: Dependence, outputs: Iterable[Value]) -> list[Step]:
    """The steps from the images to the outputs; calls, identities and the like are seen through.

    Args:
        graph: the graph.
        origins: what its values are made from.
        outputs: where the way ends.
    """
    steps: list[Step] = []
    made: dict[Value, tuple[int, ...]] = {}
    entered: set[Value] = set()
    for output in outputs:
        work = list(_entered(graph, dependence, output, entered))
        while work:
            now = work[-1]
            source = next(now.waiting, None)
            if source is not None:
                work.extend(_entered(graph, dependence, source, entered))
                continue
            work.pop()
            # A loop's last turn is not made yet when its first is: what leads back is left out.
            found = [number for source in now.inputs for number in made.get(_place(graph, source), ())]
            sources = tuple(dict.fromkeys(found))[:_MOST_SOURCES]
            frame, node, _ = now.value
            if graph.originals(now.value) is None and frame.op(node) not in _SILENT:
                steps.append(Step(frame, node, sources))
                sources = (len(steps) - 1,)
            made[now.place] = sources
    return steps


def _entered(graph: InlinedGraph, dependence: Dependence, value: Value, entered: set[Value]) -> Iterator[_Open]:
    place = _place(graph, value)
    if place in entered or not dependence.images(value):
        return
    entered.add(place)
    frame, node, _ = value
    originals = graph.originals(value)
    inputs = frame.inputs(node) if originals is None else originals
    if frame.op(node) in SHAPES_ONLY:
        inputs = []
    yield _Open(value, place, inputs, iter(inputs))


def _place(graph: InlinedGraph, value: Value) -> Value:
    """One for all outputs of a node that computes them together."""
    frame, node, _ = value
    return value if frame.op(node) in graph.copying_ops else (frame, node, 0)
