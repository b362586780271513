"""What values are made from: the images, random numbers, state."""

from __future__ import annotations

from collections.abc import Iterable

from hubcheck.graph.randomness import is_random, random_functions, random_ops
from hubcheck.graph.unfold import Frame, Unfolded, Value

IMAGES, RANDOM = 1, 2

SHAPES_ONLY = frozenset({"Shape", "ShapeN", "Size", "Rank", "ZerosLike", "OnesLike", "TensorListElementShape",
                         "TensorListLength", "TensorArraySizeV3"})  # fmt: skip
"""Ops whose results tell no more of their inputs than sizes."""


_NOTHING: dict[int, int] = {}


class _Step:
    """A value in the middle of the search: its sources still to be looked at, and what is known so far."""

    __slots__ = ("bits", "low", "number", "sources")

    def __init__(self, number: int, sources: list[Value], bits: int) -> None:
        self.number = self.low = number
        self.sources = sources
        self.bits = bits


class Origins:
    """For each value, whether it depends on the images and whether it depends on a random op, by data.

    One pass in the order of the data, each value once, however often it is asked for. Loops make cycles:
    all values of a cycle depend on the same things, so they are found together (Tarjan's components).

    Args:
        graph: the graph.
        images: the values that are images.
    """

    __slots__ = ("_count", "_graph", "_images", "_known", "_random", "_special")

    def __init__(self, graph: Unfolded, images: Iterable[Value]) -> None:
        self._graph = graph
        self._special = graph.special
        self._random = random_ops().keys()
        self._images: set[tuple[Frame, int]] = {(frame, node) for frame, node, _ in images}
        self._known: dict[Frame, dict[int, int]] = {}
        self._count = 0

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
        """One number for a value within its frame: outputs of plain nodes are made from the same things."""
        frame, node, number = value
        return node | number << 40 if frame.body.ops[node] in self._special else node

    def _bits(self, value: Value) -> int:
        known = self._known.get(value[0], _NOTHING).get(self._key(value))
        if known is None:
            self._explore(value)
            known = self._known[value[0]][self._key(value)]
        return known & 3

    def _explore(self, start: Value) -> None:
        """Tarjan's algorithm without recursion; in `_known`, a value that is still open has a negative number."""
        opened: list[tuple[dict[int, int], int]] = []
        work = [self._open(start, self._key(start), opened)]
        while work:
            step = work[-1]
            deeper = None
            while step.sources:
                source = step.sources.pop()
                key = self._key(source)
                known = self._known.get(source[0], _NOTHING).get(key)
                if known is None:
                    deeper = self._open(source, key, opened)
                    break
                if known >= 0:
                    step.bits |= known & 3
                elif ~known < step.low:
                    step.low = ~known
            if deeper is not None:
                work.append(deeper)
                continue
            work.pop()
            if step.low == step.number:
                # The values opened since are a component: each is made from what any of them is made from.
                self._count += 1
                for values, key in opened[step.number :]:
                    values[key] = self._count << 2 | step.bits
                del opened[step.number :]
            if work:
                work[-1].bits |= step.bits
                if step.low != step.number:
                    work[-1].low = min(work[-1].low, step.low)

    def _open(self, value: Value, key: int, opened: list[tuple[dict[int, int], int]]) -> _Step:
        frame, node, _ = value
        known = self._known.setdefault(frame, {})
        number = len(opened)
        known[key] = ~number
        opened.append((known, key))
        op = frame.body.ops[node]
        bits = IMAGES if (frame, node) in self._images else 0
        if op in self._special:
            bits |= RANDOM if self._runs_randomness(frame, node) else 0
            return _Step(number, self._special_sources(value), bits)
        if op in self._random and is_random(frame.body, node):
            bits |= RANDOM
        if op in SHAPES_ONLY:
            return _Step(number, [], bits)
        return _Step(number, self._graph.inputs(frame, node), bits)

    def _special_sources(self, value: Value) -> list[Value]:
        frame, node, _ = value
        passed = self._graph.passes(value)
        if passed is None:
            return self._graph.inputs(frame, node)
        condition = self._graph.condition(frame, node)
        return [*passed] if condition is None else [*passed, condition]

    def _runs_randomness(self, frame: Frame, node: int) -> bool:
        """Whether a node that cannot be followed runs a function with a random op."""
        if self._graph.callees(frame, node):
            return False
        view = self._graph.view
        return any(call.function in random_functions(view) for call in view.calls(frame.body, node))
