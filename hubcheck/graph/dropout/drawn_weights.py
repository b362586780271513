"""Weights that the graph draws instead of storing them: random values that are the same in every run."""

from __future__ import annotations

from typing import NamedTuple

from hubcheck.graph.dataflow.constants import Constant
from hubcheck.graph.dataflow.frame import MAX_SEARCH, CallFrame, Value
from hubcheck.graph.dataflow.inlining import InlinedGraph
from hubcheck.graph.dataflow.state import Seeds


class Draw(NamedTuple):
    """A stateless random op, and the constants from which its seed and its shape are made."""

    op: str
    constants: frozenset[Constant]


def fixed_draws(graph: InlinedGraph, seeds: Seeds, value: Value) -> frozenset[Draw] | None:
    """Return the draws that a value is made of, if they are the same in every run; None if not, or if there is none."""
    draws: dict[tuple[CallFrame, int], Draw] = {}
    waiting, seen = [value], {value}
    while waiting:
        if len(seen) > MAX_SEARCH:
            return None
        current = waiting.pop()
        frame, node, _ = current
        if graph.originals(current) is None:
            kind = frame.body.randomness(node)
            if kind == "stateful" or (kind == "stateless" and seeds.depend_on_state(frame, node)):
                return None
            if seeds.is_written(frame, node):
                return None
            if graph.callees(frame, node) is None and graph.view.calls_random(frame.body, node):
                return None
            if kind == "stateless":
                draws[frame, node] = Draw(frame.op(node), _constants(graph, frame.inputs(node)))
        for source in graph.sources(current):
            if source not in seen:
                seen.add(source)
                waiting.append(source)
    return frozenset(draws.values()) or None


def _constants(graph: InlinedGraph, values: list[Value]) -> frozenset[Constant]:
    """Return the constants from which values are made."""
    waiting, seen, found = list(values), set(values), set[Constant]()
    while waiting and len(seen) < MAX_SEARCH:
        value = waiting.pop()
        constant = graph.constant(value)
        if constant is not None:
            found.add(constant)
            continue
        for source in graph.sources(value):
            if source not in seen:
                seen.add(source)
                waiting.append(source)
    return frozenset(found)
