"""Random ops that a run needs: by data or control, from the outputs back, in the branches that can be taken."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from hubcheck.graph.meeting import resolved
from hubcheck.graph.origins import SHAPES_ONLY
from hubcheck.graph.randomness import CLOCKS, has_random_op, is_random
from hubcheck.graph.unfold import Frame, Unfolded, Value

_WRITES = re.compile(r"(Resource)?(Assign|Scatter|CountUpTo|StridedSliceAssign)")
_READS = frozenset({"ReadVariableOp", "ResourceGather", "ResourceGatherNd"})
_VARIABLES = frozenset({"Variable", "VariableV2"})
_COUNTERS = frozenset({"RngReadAndSkip"})
"""Ops that read and change a generator's state in one."""
_RUNS = -1
"""Stands for a value's number where a node runs, but nobody takes what it computes."""


@dataclass(frozen=True, slots=True)
class RandomNode:
    """A node that draws other values in each run; `certain` unless a condition decides whether it runs."""

    frame: Frame
    node: int
    certain: bool


def random_nodes(graph: Unfolded, outputs: Iterable[Value]) -> list[RandomNode]:
    """The nodes whose values can make two runs on one input differ.

    A stateless random op is one of them only if its seed comes from state that a run changes.
    """
    reached = _reached(graph, outputs)
    written = {_variable(graph, (frame, node, 0)) for frame, node, _ in reached if _WRITES.match(frame.op(node))}
    found: dict[tuple[Frame, int], RandomNode] = {}
    for frame, node, number in reached:
        if number != _RUNS and (frame, node) not in found and _differs(graph, frame, node, written):
            guarded = frame.guarded or graph.liveness((frame, node, 0)) > 0
            found[frame, node] = RandomNode(frame, node, certain=not guarded and graph.callees(frame, node) is None)
    return list(found.values())


def _reached(graph: Unfolded, outputs: Iterable[Value]) -> list[Value]:
    """Every value that the outputs need, and every node that runs before them."""
    waiting = list(outputs)
    entered = {frame for frame, _, _ in waiting if frame.body.function is not None}
    waiting += [(frame, node, _RUNS) for frame in entered for node in frame.body.control_results()]
    seen = set(waiting)
    order = []
    while waiting:
        value = waiting.pop()
        order.append(value)
        frame, node, _ = value
        sources = _sources(graph, value)
        for callee in graph.callees(frame, node) or ():
            if callee not in entered:
                entered.add(callee)
                sources += [(callee, control, _RUNS) for control in callee.body.control_results()]
                if callee.call is not None and callee.call.role == "condition":
                    sources += [(callee, *result) for result in callee.body.results()]
        sources += [(frame, control, _RUNS) for control in frame.body.controls(node)]
        for source in sources:
            if source not in seen:
                seen.add(source)
                waiting.append(source)
    return order


def _sources(graph: Unfolded, value: Value) -> list[Value]:
    frame, node, number = value
    if frame.op(node) in SHAPES_ONLY:
        return []
    condition = graph.condition(frame, node)
    around = [condition] if condition is not None else []
    if number == _RUNS:
        callees = graph.callees(frame, node)
        if callees is None:
            return graph.inputs(frame, node)
        return [*around, *((callee, *result) for callee in callees for result in callee.body.results())]
    passed = graph.passes(value)
    return [*around, *(graph.inputs(frame, node) if passed is None else passed)]


def _differs(graph: Unfolded, frame: Frame, node: int, written: set[Value]) -> bool:
    kind = is_random(frame.body, node)
    if kind == "stateful":
        return True
    if kind == "stateless":
        return _depends_on_state(graph, graph.inputs(frame, node), written)
    if graph.is_plain(frame.op(node)) or graph.callees(frame, node) is not None:
        return False
    functions = (graph.view.function(call.function) for call in graph.view.calls(frame.body, node))
    return has_random_op(graph.view.reachable([body for body in functions if body is not None]))


def _depends_on_state(graph: Unfolded, seeds: Iterable[Value], written: set[Value]) -> bool:
    """Whether values are read from a variable that the same run writes, or from a generator or a clock."""
    waiting = list(seeds)
    seen = set(waiting)
    while waiting:
        value = waiting.pop()
        frame, node, _ = value
        op = frame.op(node)
        if op in _COUNTERS or op in CLOCKS:
            return True
        if (op in _READS or op in _VARIABLES) and _variable(graph, value) in written:
            return True
        if _WRITES.match(op):
            return True
        if op in SHAPES_ONLY:
            continue
        passed = graph.passes(value)
        for source in graph.inputs(frame, node) if passed is None else passed:
            if source not in seen:
                seen.add(source)
                waiting.append(source)
    return False


def _variable(graph: Unfolded, value: Value) -> Value:
    """The variable that a node reads or writes: the value of its handle, where that comes from."""
    frame, node, _ = value
    if frame.op(node) in _VARIABLES:
        return frame, node, 0
    inputs = graph.inputs(frame, node)
    return resolved(graph, inputs[0]) if inputs else value
