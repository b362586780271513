"""Nodes that can make two runs differ: random ops that the outputs need, by data or control, in live branches."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from hubcheck.graph.dataflow.control_flow_v1 import conditional_depth
from hubcheck.graph.dataflow.dependence import SHAPES_ONLY
from hubcheck.graph.dataflow.frame import CallFrame, Value
from hubcheck.graph.dataflow.inlining import InlinedGraph
from hubcheck.graph.dataflow.randomness import randomness_of
from hubcheck.graph.dataflow.unknown_ops import HOST_CODE, runs_unknown_code
from hubcheck.graph.op_tables.random_ops import CLOCKS, random_ops

_WRITES = re.compile(r"(Resource)?(Assign|Scatter|CountUpTo|StridedSliceAssign)")
_WRITERS = ("Resource", "Assign", "Scatter", "CountUpTo", "StridedSliceAssign")
_READS = frozenset({"ReadVariableOp", "ResourceGather", "ResourceGatherNd"})
_VARIABLES = frozenset({"Variable", "VariableV2"})
_COUNTERS = frozenset({"RngReadAndSkip"})
"""Ops that read and change a generator's state in one."""
_RUNS = -1
"""Stands for an output's number where a node runs, but nothing uses its outputs."""


class RandomNode(NamedTuple):
    """A node that draws other values in each run.

    `certain` is False where a condition decides whether it runs, or the graph does not say what it does.
    """

    frame: CallFrame
    node: int
    certain: bool


def random_nodes(graph: InlinedGraph, outputs: Iterable[Value]) -> list[RandomNode]:
    """Return the nodes that can make two runs on one input differ.

    A stateless random op is one of them only if its seed comes from state that a run changes.
    """
    reached = _Reached(graph, outputs)
    seeds = _Seeds(graph, {_variable(graph, value) for value in reached.writers})
    return [
        RandomNode(frame, node, not (hidden or frame.conditional or conditional_depth(graph, (frame, node, 0)) > 0))
        for frame, node, hidden in reached.random
        if hidden or randomness_of(frame.body, node) != "stateless" or seeds.depend_on_state(frame, node)
    ]


class _Reached:
    """What the outputs need: values, and nodes that run before them.

    `random` are the nodes that draw random values: frame, node, and whether the graph hides what they do.
    `writers` are the nodes that change a variable.
    """

    def __init__(self, graph: InlinedGraph, outputs: Iterable[Value]) -> None:
        self._graph = graph
        self.random: list[tuple[CallFrame, int, bool]] = []
        self.writers: list[Value] = []
        self._entered: set[CallFrame] = set()
        # Nodes that compute their outputs are visited once, whichever output is used.
        self._nodes: list[tuple[CallFrame, list[int]]] = []
        self._seen_nodes: dict[CallFrame, set[int]] = {}
        self._values: list[Value] = []
        self._seen_values: set[Value] = set()
        self._random_ops = frozenset(random_ops())
        self._unknown: dict[str, bool] = {}
        self._add(outputs)
        for frame in [*self._seen_nodes, *(frame for frame, _, _ in self._values)]:
            self._enter(frame)
        while self._nodes or self._values:
            if self._nodes:
                self._visit(*self._nodes.pop())
            else:
                self._visit_copy(self._values.pop())

    def _add(self, values: Iterable[Value]) -> None:
        copying_ops = self._graph.copying_ops
        for value in values:
            frame, node, number = value
            op = frame.body.ops[node]
            if op in copying_ops:
                if value not in self._seen_values:
                    self._seen_values.add(value)
                    self._values.append(value)
            elif number == _RUNS and op in self._random_ops:
                # Its values are not used, but those of its inputs may be.
                self._add(frame.inputs(node))
            elif node not in self._seen_nodes.setdefault(frame, set()):
                self._seen_nodes[frame].add(node)
                self._nodes.append((frame, [node]))

    def _enter(self, frame: CallFrame) -> None:
        if frame not in self._entered:
            self._entered.add(frame)
            self._add((frame, control, _RUNS) for control in frame.body.control_results)
            if frame.role == "condition":
                self._add((frame, *result) for result in frame.body.results)

    def _visit(self, frame: CallFrame, waiting: list[int]) -> None:
        """Visit nodes of one frame and all that they need in it, in a tight loop: there can be a million."""
        body, copying_ops, seen = frame.body, self._graph.copying_ops, self._seen_nodes[frame]
        ops = body.ops
        while waiting:
            node = waiting.pop()
            op = ops[node]
            if op not in self._unknown:
                self._unknown[op] = runs_unknown_code(op, self._graph.view.library)
            if self._unknown[op]:
                self.random.append((frame, node, True))
            elif op in self._random_ops and randomness_of(body, node):
                self.random.append((frame, node, False))
            elif op.startswith(_WRITERS) and _WRITES.match(op):
                self.writers.append((frame, node, 0))
            controls = body.controls(node)
            if controls:
                self._add((frame, control, _RUNS) for control in controls)
            if op in SHAPES_ONLY:
                continue
            for source, number in body.inputs(node):
                if ops[source] in copying_ops:
                    self._add([(frame, source, number)])
                elif source not in seen:
                    seen.add(source)
                    waiting.append(source)

    def _visit_copy(self, value: Value) -> None:
        frame, node, number = value
        callees = self._graph.callees(frame, node)
        for callee in callees or ():
            self._enter(callee)
        condition = self._graph.condition(frame, node)
        self._add([condition] if condition is not None else [])
        self._add((frame, control, _RUNS) for control in frame.body.controls(node))
        if callees is None and (frame.op(node) in HOST_CODE or self._graph.view.calls_random(frame.body, node)):
            self.random.append((frame, node, True))
        if number == _RUNS and callees is not None:
            self._add((callee, *result) for callee in callees for result in callee.body.results)
            return
        self._add(frame.inputs(node) if number == _RUNS else self._graph.sources(value))


class _Seeds:
    """Whether seeds change from run to run; what is known of one seed is reused for the others."""

    def __init__(self, graph: InlinedGraph, written: set[Value]) -> None:
        self._graph, self._written = graph, written
        self._fixed: set[Value] = set()
        self._changing: set[tuple[CallFrame, int]] = set()

    def depend_on_state(self, frame: CallFrame, node: int) -> bool:
        """Return whether an op's inputs come from a variable that the same run writes, a generator or a clock."""
        waiting = frame.inputs(node)
        seen = set(waiting)
        while waiting:
            value = waiting.pop()
            if self._changes(value):
                self._changing.add((frame, node))
                return True
            if value[0].op(value[1]) in SHAPES_ONLY or value in self._fixed:
                continue
            for source in self._graph.sources(value):
                if source not in seen:
                    seen.add(source)
                    waiting.append(source)
        self._fixed |= seen
        return False

    def _changes(self, value: Value) -> bool:
        frame, node, _ = value
        op = frame.op(node)
        if op in _COUNTERS or op in CLOCKS or _WRITES.match(op) or (frame, node) in self._changing:
            return True
        return (op in _READS or op in _VARIABLES) and _variable(self._graph, value) in self._written


def _variable(graph: InlinedGraph, value: Value) -> Value:
    """Return the variable that a node reads or writes: the origin of its handle."""
    frame, node, _ = value
    if frame.op(node) in _VARIABLES:
        return frame, node, 0
    inputs = frame.inputs(node)
    return graph.see_through(inputs[0]) if inputs else value
