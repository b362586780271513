"""State that outlives a run: variables, tables and generators, and the nodes that change them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from hubcheck.graph.dataflow.dependence import SHAPES_ONLY
from hubcheck.graph.dataflow.execution import Execution
from hubcheck.graph.dataflow.frame import CallFrame, Value
from hubcheck.graph.dataflow.inlining import InlinedGraph
from hubcheck.graph.op_tables import ops
from hubcheck.graph.op_tables.ops import CLOCKS

VARIABLES = frozenset({"Variable", "VariableV2"})
"""Reference variables of TF1, whose output is the state itself."""
READS = frozenset({"ReadVariableOp", "ResourceGather", "ResourceGatherNd"})
_NO_CHANGES = READS | {
    "VarIsInitializedOp", "VariableShape", "DisableCopyOnRead", "IsVariableInitialized", "LookupTableFind",
    "LookupTableFindV2", "LookupTableSize", "LookupTableSizeV2", "LookupTableExport", "LookupTableExportV2",
}  # fmt: skip
_COUNTERS = frozenset({"RngReadAndSkip"})
"""Ops that read and change a generator's state in one."""


@cache
def handle_inputs(op: str) -> tuple[int, ...]:
    """Return which inputs of a stock op are the state that it reads or changes."""
    definition = ops.op_def(op)
    if definition is None or op in ops.function_ops():
        return ()
    return tuple(i for i, argument in enumerate(definition.inputs) if argument.ref or argument.dtype == "resource")


def states_of(graph: InlinedGraph, frame: CallFrame, node: int) -> Iterator[Value]:
    """Yield the state that a node reads or changes: the other end of its handles."""
    op, inputs = frame.op(node), frame.inputs(node)
    if op in VARIABLES:
        yield frame, node, 0
    yield from (graph.see_through(inputs[position]) for position in handle_inputs(op) if position < len(inputs))


def changes_state(op: str) -> bool:
    """Return whether nodes with this op change the state that they are given."""
    return op not in _NO_CHANGES and bool(handle_inputs(op))


class Seeds:
    """Whether the seeds of stateless random ops change from run to run; what is known of one is reused for others."""

    def __init__(self, graph: InlinedGraph, execution: Execution) -> None:
        self._graph = graph
        writers = execution.nodes(changes_state)
        self._written = {state for frame, node in writers for state in states_of(graph, frame, node)}
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
        if op in _COUNTERS or op in CLOCKS or (frame, node) in self._changing or changes_state(op):
            return True
        return self.is_written(frame, node)

    def is_written(self, frame: CallFrame, node: int) -> bool:
        """Return whether a node reads a variable that the same run writes."""
        op = frame.op(node)
        return (op in READS or op in VARIABLES) and any(
            state in self._written for state in states_of(self._graph, frame, node)
        )
