"""State that outlives a run: variables, tables and generators, the nodes that change them, seeds that follow from it.

Weights that a graph draws instead of storing them are random values whose seeds are the same in every run.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from hubcheck.graph.dataflow.constants import Constant
from hubcheck.graph.dataflow.dependence import SHAPES_ONLY
from hubcheck.graph.dataflow.execution import Execution
from hubcheck.graph.dataflow.frame import MAX_SEARCH, CallFrame, Value
from hubcheck.graph.dataflow.inlining import InlinedGraph
from hubcheck.graph.op_tables import ops
from hubcheck.graph.op_tables.ops import CLOCKS
from hubcheck.util.record import record
from hubcheck.util.walk import closure

VARIABLES = frozenset({"Variable", "VariableV2"})
"""Reference variables of TF1, whose output is the state itself."""
READS = frozenset({"ReadVariableOp", "ResourceGather", "ResourceGatherNd"})
_NO_CHANGES = READS | {
    "VarIsInitializedOp", "VariableShape", "DisableCopyOnRead", "IsVariableInitialized", "LookupTableFind",
    "LookupTableFindV2", "LookupTableSize", "LookupTableSizeV2", "LookupTableExport", "LookupTableExportV2",
}  # fmt: skip
_CHANGING = CLOCKS | {"RngReadAndSkip"}
"""Ops whose result is another one each time, such as those that read and change a generator's state in one."""


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
            place, op = value[:2], value[0].op(value[1])
            if op in _CHANGING or place in self._changing or changes_state(op) or self.is_written(*place):
                self._changing.add((frame, node))
                return True
            if op in SHAPES_ONLY or value in self._fixed:
                continue
            for source in self._graph.sources(value):
                if source not in seen:
                    seen.add(source)
                    waiting.append(source)
        self._fixed |= seen
        return False

    def is_written(self, frame: CallFrame, node: int) -> bool:
        """Return whether a node reads a variable that the same run writes."""
        op = frame.op(node)
        return (op in READS or op in VARIABLES) and any(
            state in self._written for state in states_of(self._graph, frame, node)
        )


@record
class Draw:
    """A stateless random op, and the constants from which its seed and its shape are made."""

    op: str
    constants: frozenset[Constant]


def fixed_draws(graph: InlinedGraph, seeds: Seeds, value: Value) -> frozenset[Draw] | None:
    """Return the draws that a value is made of, if they are the same in every run; None if not, or if there is none."""
    draws: dict[tuple[CallFrame, int], Draw] = {}
    made_of = closure([value], graph.sources, most=MAX_SEARCH + 1)
    if len(made_of) > MAX_SEARCH:
        return None
    for current in made_of:
        frame, node, _ = current
        if graph.originals(current) is None:
            kind = frame.body.randomness(node)
            hidden = graph.callees(frame, node) is None and graph.view.calls_random(frame.body, node)
            if kind == "stateful" or (kind == "stateless" and seeds.depend_on_state(frame, node)):
                return None
            if seeds.is_written(frame, node) or hidden:
                return None
            if kind == "stateless":
                draws[frame, node] = Draw(frame.op(node), _constants(graph, frame.inputs(node)))
    return frozenset(draws.values()) or None


def _constants(graph: InlinedGraph, values: list[Value]) -> frozenset[Constant]:
    """Return the constants from which values are made."""
    behind = closure(values, lambda v: graph.sources(v) if graph.constant(v) is None else (), most=MAX_SEARCH)
    return frozenset(constant for constant in map(graph.constant, behind) if constant is not None)
