"""What values depend on: the images, random numbers, state."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hubcheck.graph.dataflow.body import Port
from hubcheck.graph.dataflow.frame import CallFrame, Value
from hubcheck.graph.dataflow.inlining import InlinedGraph
from hubcheck.graph.op_tables.ops import random_ops
from hubcheck.util.walk import closure

IMAGES, RANDOM = 1, 2

SHAPES_ONLY = frozenset({"Shape", "ShapeN", "Size", "Rank", "ZerosLike", "OnesLike", "TensorListElementShape",
                         "TensorListLength", "TensorArraySizeV3"})  # fmt: skip
"""Ops whose results depend on no more of their inputs than sizes."""
_MAX_MASK_NODES = 60
"""Nodes that make a mask by hand; a layer's statistics depend on the whole network."""
_NOTHING: dict[int, int] = {}


class _Visit:
    """A value that the search is in the middle of: sources still to be visited, and what is known so far."""

    __slots__ = ("bits", "frame", "known", "low", "number", "others", "ports")

    def __init__(self, frame: CallFrame, known: dict[int, int], number: int, bits: int) -> None:
        self.frame, self.known, self.bits = frame, known, bits
        self.number = self.low = number
        self.ports: Iterator[Port] = iter(())
        self.others: list[Value] = []

    def add(self, source: int) -> None:
        """Take in a source that is known already, or is being visited further up."""
        if source >= 0:
            self.bits |= source & 3
        elif ~source < self.low:
            self.low = ~source


class Dependence:
    """For each value, whether it depends on the images and whether it depends on a random op, by data.

    Each value is visited once, in the order of the data. Loops make cycles: all values of a cycle depend on the same
    things, so they are found together (Tarjan's strongly connected components).
    """

    def __init__(self, graph: InlinedGraph, images: Iterable[Value]) -> None:
        self._graph = graph
        self._copying_ops = graph.copying_ops
        self._random_ops = random_ops().keys()
        self._images: set[tuple[CallFrame, int]] = {(frame, node) for frame, node, _ in images}
        # By frame and key of a value: order << 2 | bits; the complement of its number while it is being visited.
        self._known: dict[CallFrame, dict[int, int]] = {}
        self._count = 0

    def images(self, value: Value) -> bool:
        """Return whether a value depends on the images, beyond their shape."""
        return bool(self._result(value) & IMAGES)

    def mask(self, value: Value) -> bool:
        """Return whether a value is random and does not depend on the images."""
        return self._result(value) & (IMAGES | RANDOM) == RANDOM

    def random(self, value: Value) -> bool:
        """Return whether a value depends on a random op."""
        return bool(self._result(value) & RANDOM)

    def order(self, value: Value) -> int:
        """Return a number larger than that of all values from which this one is made (but equal in a loop)."""
        return self._result(value) >> 2

    def _key(self, value: Value) -> int:
        """Return one number for a value within its frame: outputs of most nodes depend on the same things."""
        frame, node, number = value
        return node | number << 40 if frame.body.ops[node] in self._copying_ops else node

    def _result(self, value: Value) -> int:
        key = self._key(value)
        result = self._known.get(value[0], _NOTHING).get(key)
        if result is None:
            self._explore(value)
            result = self._known[value[0]][key]
        return result

    def _explore(self, start: Value) -> None:
        """Visit a value and all behind it: Tarjan's algorithm without recursion."""
        stack: list[tuple[dict[int, int], int]] = []
        visits = [self._enter(*start, stack)]
        while visits:
            visit = visits[-1]
            unknown = None
            frame, known = visit.frame, visit.known
            for source, number in visit.ports:
                key = source if frame.body.ops[source] not in self._copying_ops else source | number << 40
                result = known.get(key)
                if result is None:
                    unknown = frame, source, number
                    break
                visit.add(result)
            while unknown is None and visit.others:
                value = visit.others.pop()
                result = self._known.get(value[0], _NOTHING).get(self._key(value))
                if result is None:
                    unknown = value
                else:
                    visit.add(result)
            if unknown is not None:
                visits.append(self._enter(*unknown, stack))
                continue
            visits.pop()
            if visit.low == visit.number:
                # The values entered since are a component: each depends on what any of them depends on.
                self._count += 1
                for values, key in stack[visit.number :]:
                    values[key] = self._count << 2 | visit.bits
                del stack[visit.number :]
            if visits:
                visits[-1].bits |= visit.bits
                if visit.low != visit.number:
                    visits[-1].low = min(visits[-1].low, visit.low)

    def _enter(self, frame: CallFrame, node: int, number: int, stack: list[tuple[dict[int, int], int]]) -> _Visit:
        known = self._known.setdefault(frame, {})
        body = frame.body
        op = body.ops[node]
        visit = _Visit(frame, known, len(stack), IMAGES if (frame, node) in self._images else 0)
        is_given = visit.bits != 0  # what else would compute the images does not run
        copies = op in self._copying_ops
        key = node | number << 40 if copies else node
        known[key] = ~visit.number
        stack.append((known, key))
        if is_given:
            return visit
        if copies:
            if not self._graph.callees(frame, node) and self._graph.view.calls_random(body, node):
                visit.bits |= RANDOM  # of a call that cannot be followed
            originals, condition = self._graph.originals((frame, node, number)), self._graph.condition(frame, node)
            visit.others = frame.inputs(node) if originals is None else [*originals]
            visit.others += [condition] if originals is not None and condition is not None else []
        elif op not in SHAPES_ONLY:
            visit.bits |= RANDOM if op in self._random_ops and body.randomness(node) else 0
            visit.ports = iter(body.inputs(node))
            if op == "ReadVariableOp":
                visit.others = self._drawn_into(frame, node)
        return visit

    def _drawn_into(self, frame: CallFrame, node: int) -> list[Value]:
        """Return what was assigned to a variable right before it is read, if that is a mask.

        Parameters are not random, and averages of the batch that are kept in a variable count as parameters.
        """
        body = frame.body
        handle = body.input(node, 0)
        values = (
            (frame, *body.inputs(control)[1])
            for control in body.controls(node)
            if body.ops[control] == "AssignVariableOp" and body.input(control, 0) == handle
        )
        return [value for value in values if self._is_drawn(value)]

    def _is_drawn(self, value: Value) -> bool:
        """Return whether a few ops make a value from random numbers alone."""
        made_of = closure(
            [value], lambda v: () if v[0].op(v[1]) in SHAPES_ONLY else v[0].inputs(v[1]), most=_MAX_MASK_NODES
        )
        if any(value[:2] in self._images or value[0].op(value[1]) == "ReadVariableOp" for value in made_of):
            return False
        return len(made_of) < _MAX_MASK_NODES and any(frame.body.randomness(node) for frame, node, _ in made_of)
