"""What values are made from: the images, random numbers, state."""

from __future__ import annotations

from collections.abc import Iterable

from hubcheck.graph.randomness import has_random_op, is_random
from hubcheck.graph.unfold import Frame, Unfolded, Value

IMAGES, RANDOM = 1, 2

SHAPES_ONLY = frozenset({"Shape", "ShapeN", "Size", "Rank", "ZerosLike", "OnesLike", "TensorListElementShape",
                         "TensorListLength", "TensorArraySizeV3"})  # fmt: skip
"""Ops whose results tell no more of their inputs than sizes."""


class _Step:
    """A value in the middle of the search: its sources still to be looked at, and what is known so far."""

    __slots__ = ("bits", "frame", "key", "low", "number", "sources")

    def __init__(self, frame: Frame, key: int, number: int, sources: list[Value], bits: int) -> None:
        self.frame, self.key, self.number, self.sources, self.bits = frame, key, number, sources, bits
        self.low = number


class Origins:
    """For each value, whether it depends on the images and whether it depends on a random op, by data.

    One pass in the order of the data, each value once, however often it is asked for. Loops make cycles:
    all values of a cycle depend on the same things, so they are found together (Tarjan's components).

    Args:
        graph: the graph.
        images: the values that are images.
    """

    __slots__ = ("_count", "_graph", "_images", "_known", "_randomness")

    def __init__(self, graph: Unfolded, images: Iterable[Value]) -> None:
        self._graph = graph
        self._images: set[tuple[Frame, int]] = {(frame, node) for frame, node, _ in images}
        self._known: dict[Frame, dict[int, int]] = {}
        self._count = 0
        self._randomness: dict[str, bool] = {}

    def images(self, value: Value) -> bool:
        """Whether the images have a part in this value, beyond their shape."""
        return bool(self._bits(value) & IMAGES)

    def mask(self, value: Value) -> bool:
        """Whether a value is drawn at random and has nothing to do with the images."""
        return self._bits(value) & (IMAGES | RANDOM) == RANDOM

    def random(self, value: Value) -> bool:
        """Whether a random op has a part in this value."""
        return bool(self._bits(value) & RANDOM)

    def order(self, value: Value) -> int:
        """A number that is larger than that of all values from which this one is made (but equal in a loop)."""
        self._bits(value)
        return self._known[value[0]][self._key(value)] >> 2

    def _key(self, value: Value) -> int:
        frame, node, number = value
        return node if self._graph.is_plain(frame.body.ops[node]) else node | number << 40

    def _bits(self, value: Value) -> int:
        known = self._known.get(value[0], {}).get(self._key(value))
        if known is None:
            self._explore(value)
            known = self._known[value[0]][self._key(value)]
        return known & 3

    def _explore(self, start: Value) -> None:
        """Tarjan's algorithm without recursion; in `_known`, a value that is still open has a negative number."""
        opened: list[tuple[Frame, int]] = []
        work = [self._open(start, opened)]
        while work:
            step = work[-1]
            deeper = None
            while step.sources and deeper is None:
                source = step.sources.pop()
                known = self._known.get(source[0], {}).get(self._key(source))
                if known is None:
                    deeper = source
                elif known >= 0:
                    step.bits |= known & 3
                else:
                    step.low = min(step.low, ~known)
            if deeper is not None:
                work.append(self._open(deeper, opened))
                continue
            work.pop()
            if step.low == step.number:
                self._close(step, opened)
            if work:
                work[-1].bits |= step.bits
                if step.low != step.number:
                    work[-1].low = min(work[-1].low, step.low)

    def _open(self, value: Value, opened: list[tuple[Frame, int]]) -> _Step:
        frame, key, number = value[0], self._key(value), len(opened)
        opened.append((frame, key))
        self._known.setdefault(frame, {})[key] = ~number
        return _Step(frame, key, number, self._sources(value), self._own(value))

    def _close(self, step: _Step, opened: list[tuple[Frame, int]]) -> None:
        """The values opened since are a component: each depends on what any of them does."""
        self._count += 1
        for frame, key in opened[step.number :]:
            self._known[frame][key] = self._count << 2 | step.bits
        del opened[step.number :]

    def _own(self, value: Value) -> int:
        frame, node, _ = value
        bits = IMAGES if (frame, node) in self._images else 0
        if is_random(frame.body, node) or self._runs_randomness(frame, node):
            bits |= RANDOM
        return bits

    def _sources(self, value: Value) -> list[Value]:
        frame, node, _ = value
        op = frame.body.ops[node]
        if op in SHAPES_ONLY:
            return []
        if self._graph.is_plain(op):
            return [(frame, source, number) for source, number in frame.body.inputs(node)]
        passed = self._graph.passes(value)
        if passed is None:
            return self._graph.inputs(frame, node)
        condition = self._graph.condition(frame, node)
        return [*passed] if condition is None else [*passed, condition]

    def _runs_randomness(self, frame: Frame, node: int) -> bool:
        """Whether a node that cannot be followed runs a function with a random op."""
        if self._graph.is_plain(frame.body.ops[node]) or self._graph.callees(frame, node):
            return False
        return any(self._is_random_function(call.function) for call in self._graph.view.calls(frame.body, node))

    def _is_random_function(self, function: str) -> bool:
        if function not in self._randomness:
            body = self._graph.view.function(function)
            self._randomness[function] = body is not None and has_random_op(self._graph.view.reachable([body]))
        return self._randomness[function]
