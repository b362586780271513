"""What values are made from: the images, random numbers, state."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hubcheck.graph.dataflow.body import Port
from hubcheck.graph.dataflow.frame import CallFrame, Value
from hubcheck.graph.dataflow.inlining import InlinedGraph
from hubcheck.graph.dataflow.randomness import randomness_of
from hubcheck.graph.op_tables.random_ops import random_ops

IMAGES, RANDOM = 1, 2

SHAPES_ONLY = frozenset({"Shape", "ShapeN", "Size", "Rank", "ZerosLike", "OnesLike", "TensorListElementShape",
                         "TensorListLength", "TensorArraySizeV3"})  # fmt: skip
"""Ops whose results tell no more of their inputs than sizes."""


_FEW = 60
"""Nodes that make a mask by hand; a layer's statistics hang on the whole network."""
_NOTHING: dict[int, int] = {}
_NO_PORTS: Iterator[Port] = iter(())


class _Step:
    """A value in the middle of the search: the ports of its frame and the values of others that are still to be
    looked at, and what is known so far."""

    __slots__ = ("bits", "frame", "known", "low", "number", "others", "ports")

    def __init__(self, frame: CallFrame, known: dict[int, int], number: int, bits: int) -> None:
        self.frame = frame
        self.known = known
        self.number = self.low = number
        self.bits = bits
        self.ports: Iterator[Port] = _NO_PORTS
        self.others: list[Value] = []

    def meet(self, found: int) -> None:
        """A source is known already, or stands further up in the search."""
        if found >= 0:
            self.bits |= found & 3
        elif ~found < self.low:
            self.low = ~found


class Dependence:
    """For each value, whether it depends on the images and whether it depends on a random op, by data.

    One pass in the order of the data, each value once, however often it is asked for. Loops make cycles:
    all values of a cycle depend on the same things, so they are found together (Tarjan's components).

    Args:
        graph: the graph.
        images: the values that are images.
    """

    __slots__ = ("_count", "_graph", "_images", "_known", "_random", "_special")

    def __init__(self, graph: InlinedGraph, images: Iterable[Value]) -> None:
        self._graph = graph
        self._special = graph.special
        self._random = random_ops().keys()
        self._images: set[tuple[CallFrame, int]] = {(frame, node) for frame, node, _ in images}
        self._known: dict[CallFrame, dict[int, int]] = {}
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
        work = [self._open(*start, opened)]
        while work:
            step = work[-1]
            deeper = None
            frame, known = step.frame, step.known
            for source, number in step.ports:
                key = source if frame.body.ops[source] not in self._special else source | number << 40
                found = known.get(key)
                if found is None:
                    deeper = frame, source, number
                    break
                step.meet(found)
            while deeper is None and step.others:
                value = step.others.pop()
                found = self._known.get(value[0], _NOTHING).get(self._key(value))
                if found is None:
                    deeper = value
                else:
                    step.meet(found)
            if deeper is not None:
                work.append(self._open(*deeper, opened))
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

    def _open(self, frame: CallFrame, node: int, number: int, opened: list[tuple[dict[int, int], int]]) -> _Step:
        known = self._known.setdefault(frame, {})
        body = frame.body
        op = body.ops[node]
        step = _Step(frame, known, len(opened), IMAGES if (frame, node) in self._images else 0)
        special = op in self._special
        key = node | number << 40 if special else node
        known[key] = ~step.number
        opened.append((known, key))
        if special:
            step.bits |= RANDOM if self._runs_randomness(frame, node) else 0
            step.others = self._special_sources((frame, node, number))
        elif op not in SHAPES_ONLY:
            step.bits |= RANDOM if op in self._random and randomness_of(body, node) else 0
            step.ports = iter(body.inputs(node))
            if op == "ReadVariableOp":
                step.others = self._just_written(frame, node)
        return step

    def _just_written(self, frame: CallFrame, node: int) -> list[Value]:
        """What was assigned to a variable right before it is read, where that is a mask: parameters are not drawn,
        and averages of the batch that are kept in a variable count as parameters."""
        body = frame.body
        handle = body.input(node, 0)
        values = (
            (frame, *body.inputs(control)[1])
            for control in body.controls(node)
            if body.ops[control] == "AssignVariableOp" and body.input(control, 0) == handle
        )
        return [value for value in values if self._is_drawn(value)]

    def _is_drawn(self, value: Value) -> bool:
        """Whether a few ops make a value, of random numbers alone."""
        waiting, seen, drawn = [value], {value}, False
        while waiting and len(seen) < _FEW:
            frame, node, _ = waiting.pop()
            op = frame.body.ops[node]
            drawn = drawn or (op in self._random and randomness_of(frame.body, node) is not None)
            if (frame, node) in self._images or op == "ReadVariableOp":
                return False
            for source in [] if op in SHAPES_ONLY else frame.inputs(node):
                if source not in seen:
                    seen.add(source)
                    waiting.append(source)
        return drawn and not waiting

    def _special_sources(self, value: Value) -> list[Value]:
        frame, node, _ = value
        passed = self._graph.passes(value)
        if passed is None:
            return frame.inputs(node)
        condition = self._graph.condition(frame, node)
        return [*passed] if condition is None else [*passed, condition]

    def _runs_randomness(self, frame: CallFrame, node: int) -> bool:
        """Whether a node that cannot be followed runs a function with a random op."""
        if self._graph.callees(frame, node):
            return False
        view = self._graph.view
        return any(call.function in view.random_functions for call in view.calls(frame.body, node))
