"""TF1 control flow: conditionals from Switch and Merge, loops from Enter, NextIteration and Exit."""

from __future__ import annotations

from collections.abc import Sequence

from hubcheck.graph.dataflow.body import Body, Port
from hubcheck.graph.dataflow.frame import MAX_CHAIN, CallFrame, Resolver, Value
from hubcheck.graph.op_tables.elementwise import SAME

MERGES = frozenset({"Merge", "RefMerge"})
SWITCHES = frozenset({"Switch", "RefSwitch"})
_LOOP_ENDS = frozenset({"NextIteration", "RefNextIteration"})
_DEAD = -1


def predicate(frame: CallFrame, merge: int) -> Value | None:
    """Return the predicate of the conditional that a Merge ends, if one of its branches only passes its input on."""
    ops = frame.body.ops
    for node in frame.body.sources(merge):
        for _ in range(MAX_CHAIN):
            inputs = frame.body.inputs(node)
            if ops[node] in SWITCHES and len(inputs) == 2:
                return None if ops[inputs[1][0]] == "LoopCond" else (frame, *inputs[1])
            if ops[node] not in SAME or not inputs:
                break
            node = inputs[0][0]  # noqa: PLW2901
    return None


def conditional_depth(graph: Resolver, target: Value) -> int:
    """Return how many undecided conditionals surround a value; -1 if a constant condition switches it off.

    A node runs if all of its inputs are there, a Merge as soon as one of them is.
    """
    frame, node, number = target
    body, depths = frame.body, frame.depths
    if SWITCHES.isdisjoint(body.kinds):
        return 0
    start = _branch(body, node, number)
    waiting = [start]
    while waiting:
        port = waiting[-1]
        if depths.get(port) is not None:
            waiting.pop()
            continue
        sources = _sources(body, port[0])
        missing = [source for source in sources if source not in depths]
        if missing and port not in depths:
            depths[port] = None
            waiting += missing
            continue
        waiting.pop()
        # In a loop, a source can be without a depth still.
        depths[port] = _depth(graph, frame, port, [depths.get(source) or 0 for source in sources])
    return depths[start] or 0


def _branch(body: Body, node: int, number: int) -> Port:
    """Return one port for all outputs of a node, except of a Switch, whose outputs are the two branches."""
    return (node, number if body.ops[node] in SWITCHES else 0)


def _sources(body: Body, node: int) -> list[Port]:
    if body.ops[node] in _LOOP_ENDS:
        return []
    return [*(_branch(body, *port) for port in body.inputs(node)), *((control, 0) for control in body.controls(node))]


def _depth(graph: Resolver, frame: CallFrame, port: Port, inputs: Sequence[int]) -> int:
    node, number = port
    ops = frame.body.ops
    if ops[node] in MERGES:
        running = [depth for depth in inputs if depth >= 0]
        if len(running) < len(inputs) or any(ops[source] in _LOOP_ENDS for source in frame.body.sources(node)):
            return max(running, default=_DEAD)
        return max(max(running, default=0) - 1, 0)
    if any(depth < 0 for depth in inputs):
        return _DEAD
    depth = max(inputs, default=0)
    condition = frame.body.input(node, 1)
    if ops[node] not in SWITCHES or condition is None or ops[condition[0]] == "LoopCond":
        return depth
    taken = graph.constant((frame, *condition))
    if taken is None:
        return depth + 1
    return depth if bool(taken.scalar) == (number == 1) else _DEAD
