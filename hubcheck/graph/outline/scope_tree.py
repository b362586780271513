"""Nodes by their name scopes, in the order of the data."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from hubcheck.graph.dataflow.frame import CallFrame, Value
from hubcheck.graph.dataflow.inlining import InlinedGraph

_CALLS = re.compile(r"(Stateful)?PartitionedCall(_\d+)?$")
_BLOCK = re.compile(r"\D+\d+[a-z]?(?=_)")
_MANY = 12
"""Siblings beyond which blocks of them are put together."""
_DEEPEST = 40
"""Scopes within scopes; deeper ones are told in one."""


@dataclass(slots=True)
class Scope:
    """A name scope: what is below it, in the order of the data.

    `order` is the number of its last step; `line` that of the outline's line that tells of it.
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


class Scopes:
    """The scopes of a graph, filled step by step: `place`, then `add_up`, then `note_output`.

    What is in a function stands in the scopes of its call, which are found once for all of it.
    """

    def __init__(self) -> None:
        self.top = Scope("")
        self._frames: dict[CallFrame, tuple[Scope, int]] = {}
        self._steps = 0

    def place(self, frame: CallFrame, node: int, marks: list[str]) -> Scope:
        """Put a node where its name says; gives the innermost scope, which is the node itself."""
        scope, _ = self._within(*self._around(frame), _names(frame, node) or ["call"])
        scope.ops[frame.op(node)] += 1
        scope.last, scope.order = (frame, node, 0), self._steps
        scope.marked_below = scope.marked_below or bool(marks)
        scope.marks += marks
        self._steps += 1
        return scope

    def add_up(self) -> None:
        """Tell every scope of what is below it."""
        _add_up(self.top)

    def note_output(self, graph: InlinedGraph, key: str, value: Value) -> None:
        """Write the key at the node that computes an output."""
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
        """The scope around what is in a frame, and how deep it is."""
        inner = []
        while frame not in self._frames and frame.caller is not None:
            inner.append(frame)
            frame = frame.caller
        found = self._frames.get(frame, (self.top, 0))
        for called in reversed(inner):
            assert called.caller is not None
            room = _DEEPEST - 1 - found[1]
            found = self._frames[called] = self._within(*found, _names(called.caller, called.site)[:room])
        return found

    def _within(self, scope: Scope, depth: int, names: list[str]) -> tuple[Scope, int]:
        room = max(_DEEPEST - depth, 1)
        if len(names) > room:
            names[room - 1 :] = ["/".join(names[room - 1 :])]
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
        scope.ops.update(child.ops)
        scope.marked_below = scope.marked_below or child.marked_below
        if child.order > scope.order:
            scope.last, scope.order = child.last, child.order


def group(scope: Scope) -> None:
    """Put neighbours of one block, as in block_1_expand and block_1_project, in a scope of their own."""
    waiting = [scope]
    while waiting:
        scope = waiting.pop()
        waiting += scope.below.values()
        if len(scope.below) <= _MANY:
            continue
        runs: list[tuple[str, list[Scope]]] = []
        for child in scope.below.values():
            match = _BLOCK.match(child.name)
            block = match[0] if match is not None else child.name
            if not runs or runs[-1][0] != block:
                runs.append((block, []))
            runs[-1][1].append(child)
        scope.below = {}
        for number, (block, children) in enumerate(runs):
            scope.below[f"{number}"] = children[0] if len(children) == 1 else _joined(f"{block}_*", children)


def _joined(name: str, children: list[Scope]) -> Scope:
    joined = Scope(name, {child.name: child for child in children}, last=children[-1].last)
    for child in children:
        joined.ops.update(child.ops)
        joined.marked_below = joined.marked_below or child.marked_below
    return joined


def same_size(scope: Scope) -> bool:
    """Whether all that a scope has is in the one scope below it."""
    (only,) = scope.below.values()
    return scope.ops == only.ops


def outputs_below(scope: Scope) -> Iterator[str]:
    yield from scope.outputs
    for child in scope.below.values():
        yield from outputs_below(child)


def deepest(scope: Scope) -> int:
    """How many scopes stand within each other."""
    return 1 + max(map(deepest, scope.below.values()), default=0)
