"""Nodes by name scope, in the order of the data."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby

from hubcheck.graph.dataflow.frame import CallFrame, Value
from hubcheck.graph.dataflow.inlining import InlinedGraph

_CALLS = re.compile(r"(Stateful)?PartitionedCall(_\d+)?$")
_BLOCK = re.compile(r"\D+\d+[a-z]?(?=_)")
_MAX_SIBLINGS = 12
"""If there are more scopes side by side, blocks of them are grouped."""
_MAX_DEPTH = 40
"""Scopes within scopes; deeper ones are joined into one."""


@dataclass(slots=True)
class Scope:
    """A name scope, with the scopes below it in the order of the data; a node is a scope with none below.

    `order` is the number of its last step, `line` that of the outline's line in which it is shown.
    """

    name: str
    below: dict[str, Scope] = field(default_factory=dict)
    ops: Counter[str] = field(default_factory=Counter)
    last: Value | None = None
    marks: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    marked_below: bool = False
    order: int = -1
    line: int = -1

    def take_in(self, child: Scope) -> None:
        """Add the ops, marks and last value of a scope below this one."""
        self.ops.update(child.ops)
        self.marked_below = self.marked_below or child.marked_below
        if child.order > self.order:
            self.last, self.order = child.last, child.order


class Scopes:
    """The scopes of a graph, filled in three steps: `add`, then `add_up`, then `note_output`.

    The nodes of a function are in the scopes of its call.
    """

    def __init__(self) -> None:
        self.top = Scope("")
        self._frames: dict[CallFrame, tuple[Scope, int]] = {}
        self._steps = 0

    def add(self, frame: CallFrame, node: int, marks: list[str]) -> Scope:
        """Add a node, and return the innermost scope, which is the node itself."""
        scope, _ = self._within(*self._around(frame), _names(frame, node) or ["call"])
        scope.ops[frame.op(node)] += 1
        scope.last, scope.order = (frame, node, 0), self._steps
        scope.marked_below = scope.marked_below or bool(marks)
        scope.marks += marks
        self._steps += 1
        return scope

    def add_up(self) -> None:
        """Add to every scope the ops, marks and last value of those below it."""
        _add_up(self.top)

    def note_output(self, graph: InlinedGraph, key: str, value: Value) -> None:
        """Note an output's key on the node that computes it."""
        value = graph.see_through(value)
        frame, node, _ = value
        names = _names(frame, node)
        while frame not in self._frames and frame.caller is not None:
            names = _names(frame.caller, frame.site) + names
            frame = frame.caller
        scope = self._frames[frame][0] if frame in self._frames else self.top
        for part in names:
            if part not in scope.below:
                break
            scope = scope.below[part]
        if scope is not self.top:
            scope.outputs.append(key)
            scope.last = value

    def _around(self, frame: CallFrame) -> tuple[Scope, int]:
        """Return the scope around the nodes of a frame, and its depth."""
        callees = []
        while frame not in self._frames and frame.caller is not None:
            callees.append(frame)
            frame = frame.caller
        scope, depth = self._frames.get(frame, (self.top, 0))
        for callee in reversed(callees):
            assert callee.caller is not None
            names = _names(callee.caller, callee.site)[: _MAX_DEPTH - 1 - depth]
            scope, depth = self._frames[callee] = self._within(scope, depth, names)
        return scope, depth

    def _within(self, scope: Scope, depth: int, names: list[str]) -> tuple[Scope, int]:
        left = max(_MAX_DEPTH - depth, 1)
        if len(names) > left:
            names[left - 1 :] = ["/".join(names[left - 1 :])]
        for part in names:
            if part not in scope.below:
                scope.below[part] = Scope(part)
            scope = scope.below[part]
        return scope, depth + len(names)


def _names(frame: CallFrame, node: int) -> list[str]:
    return [part for part in frame.body.names[node].split("/") if not _CALLS.match(part)]


def _add_up(scope: Scope) -> None:
    for child in scope.below.values():
        _add_up(child)
        scope.take_in(child)


def group(scope: Scope) -> None:
    """Put neighbors of one block, such as block_1_expand and block_1_project, into a scope of their own."""
    waiting = [scope]
    while waiting:
        scope = waiting.pop()
        waiting += scope.below.values()
        if len(scope.below) <= _MAX_SIBLINGS:
            continue
        blocks = [(f"{block}_*", list(children)) for block, children in groupby(scope.below.values(), _block)]
        scope.below = {}
        for number, (name, children) in enumerate(blocks):
            grouped = Scope(name, {child.name: child for child in children})
            for child in children:
                grouped.take_in(child)
            grouped.last = children[-1].last
            scope.below[f"{number}"] = grouped if len(children) > 1 else children[0]


def _block(scope: Scope) -> str:
    match = _BLOCK.match(scope.name)
    return match[0] if match is not None else scope.name


def same_size(scope: Scope) -> bool:
    """Return whether all nodes of a scope are in the only scope below it."""
    (only,) = scope.below.values()
    return scope.ops == only.ops


def outputs_below(scope: Scope) -> Iterator[str]:
    """Yield the keys of the outputs that a scope computes."""
    yield from scope.outputs
    for child in scope.below.values():
        yield from outputs_below(child)


def height(scope: Scope) -> int:
    """Return how many scopes are within each other, this one included."""
    return 1 + max(map(height, scope.below.values()), default=0)
