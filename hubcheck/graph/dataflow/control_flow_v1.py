"""The control flow of TF1: Switch and Merge, Enter, Exit and NextIteration."""

from __future__ import annotations

from collections.abc import Sequence

from hubcheck.graph.dataflow.frame import CallFrame, Resolver, Value
from hubcheck.graph.op_tables.elementwise import SAME

MERGES = frozenset({"Merge", "RefMerge"})
SWITCHES = frozenset({"Switch", "RefSwitch"})
_LOOP_ENDS = frozenset({"NextIteration", "RefNextIteration"})
_FEW = 8
"""Identities between a conditional's branch and its Merge."""
_DEAD = -1
_PENDING = -2
_ANY_SWITCH = (-1, -1)


def predicate(frame: CallFrame, merge: int) -> Value | None:
    """The predicate of a conditional that a Merge ends, where one of its branches hands on what it was given."""
    ops = frame.body.ops
    for node in frame.body.sources(merge):
        for _ in range(_FEW):
            inputs = frame.body.inputs(node)
            if ops[node] in SWITCHES and len(inputs) == 2:
                return None if ops[inputs[1][0]] == "LoopCond" else (frame, *inputs[1])
            if ops[node] not in SAME or not inputs:
                break
            node = inputs[0][0]  # noqa: PLW2901
    return None


def conditional_depth(graph: Resolver, target: Value) -> int:
    """How many undecided conditionals stand around a value; -1 if a constant condition switches it off.

    A node without all of its inputs does not run; Merge runs as soon as it has one.
    """
    if not _has_switches(target[0]):
        return 0
    waiting = [target]
    while waiting:
        frame, node, number = waiting[-1]
        key = (node, number if frame.body.ops[node] in SWITCHES else 0)
        if frame.depths.get(key, _PENDING) >= _DEAD:
            waiting.pop()
            continue
        sources = _needed(graph, frame, node)
        missing = [source for source in sources if _live(source) is None]
        if missing and key not in frame.depths:
            frame.depths[key] = _PENDING
            waiting += missing
            continue
        waiting.pop()
        frame.depths[key] = _judge(graph, frame, node, number, [_known(source) for source in sources])
    return _known(target)


def _live(value: Value) -> int | None:
    frame, node, number = value
    return frame.depths.get((node, number if frame.body.ops[node] in SWITCHES else 0))


def _known(value: Value) -> int:
    depth = _live(value)
    return 0 if depth is None or depth == _PENDING else depth


def _needed(graph: Resolver, frame: CallFrame, node: int) -> list[Value]:
    if frame.body.ops[node] in _LOOP_ENDS:
        return []
    return [*frame.inputs(node), *((frame, control, 0) for control in frame.body.controls(node))]


def _judge(graph: Resolver, frame: CallFrame, node: int, number: int, inputs: Sequence[int]) -> int:
    op = frame.body.ops[node]
    if op in MERGES:
        alive = [depth for depth in inputs if depth >= 0]
        if len(alive) < len(inputs) or any(frame.body.ops[s] in _LOOP_ENDS for s in frame.body.sources(node)):
            return max(alive, default=_DEAD)
        return max(max(alive, default=0) - 1, 0)
    if any(depth < 0 for depth in inputs):
        return _DEAD
    depth = max(inputs, default=0)
    condition = frame.body.input(node, 1)
    if op not in SWITCHES or condition is None or frame.body.ops[condition[0]] == "LoopCond":
        return depth
    taken = graph.constant((frame, *condition))
    if taken is None:
        return depth + 1
    return depth if bool(taken.scalar) == (number == 1) else _DEAD


def _has_switches(frame: CallFrame) -> bool:
    if _ANY_SWITCH not in frame.depths:
        frame.depths[_ANY_SWITCH] = 0 if SWITCHES.isdisjoint(frame.body.ops) else 1
    return frame.depths[_ANY_SWITCH] == 1
