"""Nodes that can make two runs differ: random ops that reach an output, or a state from which an output is made."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from hubcheck.graph.dataflow.control_flow_v1 import SWITCHES, conditional_depth
from hubcheck.graph.dataflow.dependence import SHAPES_ONLY
from hubcheck.graph.dataflow.execution import Execution
from hubcheck.graph.dataflow.frame import CallFrame, Value
from hubcheck.graph.dataflow.inlining import InlinedGraph
from hubcheck.graph.dataflow.state import VARIABLES, Seeds, changes_state, handle_inputs, states_of
from hubcheck.graph.dataflow.unknown_ops import HOST_CODE, runs_unknown_code
from hubcheck.graph.op_tables.elementwise import SAME
from hubcheck.graph.op_tables.ops import CLOCKS, random_ops
from hubcheck.util.record import record

_SAME_IN_EACH_RUN = VARIABLES | {
    "Const", "HashTable", "HashTableV2", "Placeholder", "PlaceholderWithDefault", "PlaceholderV2", "VarHandleOp",
}  # fmt: skip
"""Ops without inputs that have the same output in each run, given the same images and variables."""


_ASSERTIONS = frozenset({"Assert", "CheckNumerics", "CheckNumericsV2"})


@record
class RandomNode:
    """A node that draws other values in each run, or reads a clock.

    `certain` is False where a condition decides whether it runs, or the graph does not say what it does.
    """

    frame: CallFrame
    node: int
    certain: bool


def random_nodes(graph: InlinedGraph, outputs: Iterable[Value], images: Collection[Value]) -> list[RandomNode]:
    """Return the nodes that can make two runs on the same images differ.

    A random value counts if it reaches an output, or a state that an output is made of: in the next run at the latest.
    What is only printed or logged does not. A stateless random op counts only if its seed comes from state that a run
    changes. A clock counts where nothing random does: it may be the seed.
    """
    outputs = list(outputs)
    execution = Execution(graph, outputs, images)
    needed = _Needed(graph, outputs, images)
    writers = list(execution.nodes(changes_state))
    while changing := [place for place in writers if not needed.states.isdisjoint(states_of(graph, *place))]:
        writers = [place for place in writers if place not in changing]
        needed.add(value for place in changing for value in _written(graph, *place))
    library = graph.view.library
    hidden = dict.fromkeys([*needed.hidden, *execution.nodes(lambda op: runs_unknown_code(op, library))])
    seeds = Seeds(graph, execution)
    drawn = [
        RandomNode(frame, node, not (frame.conditional or conditional_depth(graph, (frame, node, 0)) > 0))
        for frame, node in needed.random
        if frame.body.randomness(node) != "stateless" or seeds.depend_on_state(frame, node)
    ]
    random = [found for found in drawn if found.frame.op(found.node) not in CLOCKS] or drawn
    return [*random, *(RandomNode(frame, node, False) for frame, node in hidden)]


def may_vary(graph: InlinedGraph, outputs: Iterable[Value], images: Collection[Value]) -> bool:
    """Return whether of two runs on the same images one may have another output or fail, as far as the graph shows.

    That is so if an output or an assertion is made of a random value, whatever its seed, or of something that each run
    changes, and where the graph does not say what an op does. The updates of moving averages in training are not that:
    the outputs of training are not made of these averages.
    """
    outputs = list(outputs)
    execution = Execution(graph, outputs, images)
    asserted = (value for frame, node in execution.nodes(_ASSERTIONS.__contains__) for value in frame.inputs(node))
    needed = _Needed(graph, [*outputs, *asserted], images)
    library = graph.view.library
    return (
        bool(needed.random or needed.hidden or needed.origins - _SAME_IN_EACH_RUN)
        or any(execution.nodes(lambda op: runs_unknown_code(op, library)))
        or any(not needed.states.isdisjoint(states_of(graph, *place)) for place in execution.nodes(changes_state))
        or graph.exhausted is not None
    )


def _written(graph: InlinedGraph, frame: CallFrame, node: int) -> Iterator[Value]:
    """Yield what decides how a node changes its state: its inputs, and the conditions under which it runs."""
    yield from frame.inputs(node)
    for control in frame.body.controls(node):
        source = frame.body.input(control, 0) if frame.op(control) in SAME else None
        if source is not None and frame.op(source[0]) in SWITCHES:
            yield from frame.inputs(source[0])
    around = frame
    while around.caller is not None:
        yield from filter(None, [graph.condition(around.caller, around.site)])
        if around.role == "loop":
            yield from around.caller.inputs(around.site)
        around = around.caller


class _Needed:
    """What values are made of, by data, beside what is given.

    `random` are the nodes that draw random values or read a clock, `hidden` those of which the graph does not say what
    they do, `states` the variables and tables that are read, `origins` the ops without inputs.
    """

    def __init__(self, graph: InlinedGraph, values: Iterable[Value], given: Collection[Value]) -> None:
        self._graph = graph
        self.random: list[tuple[CallFrame, int]] = []
        self.hidden: list[tuple[CallFrame, int]] = []
        self.states: set[Value] = set()
        self.origins: set[str] = set()
        # Nodes that compute their outputs are visited once, whichever output is used.
        self._nodes: list[tuple[CallFrame, list[int]]] = []
        self._seen_nodes: dict[CallFrame, set[int]] = {}
        self._values: list[Value] = []
        self._seen_values: set[Value] = set(given)
        for frame, node, _ in given:
            self._seen_nodes.setdefault(frame, set()).add(node)
        self._random_ops = frozenset(random_ops())
        self._unknown: dict[str, bool] = {}
        self.add(values)

    def add(self, values: Iterable[Value]) -> None:
        """Visit values and all that they are made of."""
        self._wait_for(values)
        while self._nodes or self._values:
            if self._nodes:
                self._visit(*self._nodes.pop())
            else:
                self._visit_copy(self._values.pop())

    def _wait_for(self, values: Iterable[Value]) -> None:
        copying_ops = self._graph.copying_ops
        for value in values:
            frame, node, _ = value
            if frame.body.ops[node] in copying_ops:
                if value not in self._seen_values:
                    self._seen_values.add(value)
                    self._values.append(value)
            elif node not in self._seen_nodes.setdefault(frame, set()):
                self._seen_nodes[frame].add(node)
                self._nodes.append((frame, [node]))

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
                self.hidden.append((frame, node))
            elif op in CLOCKS or (op in self._random_ops and body.randomness(node)):
                self.random.append((frame, node))
            elif op in VARIABLES or handle_inputs(op):
                self.states.update(states_of(self._graph, frame, node))
            if op in SHAPES_ONLY:
                continue
            inputs = body.inputs(node)
            if not inputs:
                self.origins.add(op)
            for source, number in inputs:
                if ops[source] in copying_ops:
                    self._wait_for([(frame, source, number)])
                elif source not in seen:
                    seen.add(source)
                    waiting.append(source)

    def _visit_copy(self, value: Value) -> None:
        frame, node, _ = value
        callees = self._graph.callees(frame, node)
        conditions = (callee for callee in callees or () if callee.role == "condition")
        self._wait_for((callee, *result) for callee in conditions for result in callee.body.results)
        self._wait_for(filter(None, [self._graph.condition(frame, node)]))
        if callees is None and (frame.op(node) in HOST_CODE or self._graph.view.calls_random(frame.body, node)):
            self.hidden.append((frame, node))
        self._wait_for(self._graph.sources(value))
