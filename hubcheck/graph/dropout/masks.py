"""Dropout on an output: the masks between it and the last layer that mixes entries.

Definition: a mask is a value that reaches a random op and has no data path from the images. The walk goes
back from an output through everything that treats entries one by one (maps, moves, scales, shifts), and
ends where they are mixed: matrix products, convolutions, pooling windows, sums of independent branches.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from hubcheck.graph.dataflow.dependence import Dependence
from hubcheck.graph.dataflow.frame import CallFrame, Value
from hubcheck.graph.dataflow.inlining import InlinedGraph
from hubcheck.graph.dataflow.shapes import Dims, is_full, shape
from hubcheck.graph.dataflow.unknown_ops import UnknownOp, is_unknown
from hubcheck.graph.dropout.averaged_axes import NONE, Axes, moved, reduced
from hubcheck.graph.dropout.single_source import meet, minus_itself
from hubcheck.graph.op_tables import elementwise as ew


@dataclass(frozen=True, slots=True)
class Mask:
    """A node that masks entries of an output, and its operand that is the mask."""

    frame: CallFrame
    node: int
    mask: Value


Step = tuple[Value, Axes]


def masks(graph: InlinedGraph, dependence: Dependence, outputs: Iterable[Value]) -> Iterator[Mask | UnknownOp]:
    """The masks on the outputs, each node once, in the order in which the walk back meets them."""
    walk = _Walk(graph, dependence)
    waiting: list[Step] = [(output, NONE) for output in outputs]
    seen = set(waiting)
    told: set[tuple[CallFrame, int]] = set()
    turned = 0
    while waiting:
        value, axes = waiting.pop()
        turned += bool(axes)
        if turned > _MOST_TURNED:
            yield UnknownOp(value[0], value[1])
            return
        for step in walk.back(value, axes):
            if isinstance(step, Mask | UnknownOp):
                if (step.frame, step.node) not in told:
                    told.add((step.frame, step.node))
                    yield step
            elif step not in seen:
                seen.add(step)
                waiting.append(step)


class _Walk:
    """One step back from a value that is averaged over `axes` on its way to the output."""

    __slots__ = ("_graph", "_origins")

    def __init__(self, graph: InlinedGraph, dependence: Dependence) -> None:
        self._graph = graph
        self._origins = dependence

    def back(self, value: Value, axes: Axes) -> Iterator[Step | Mask | UnknownOp]:
        """Where the entries of a value come from, or the mask or obstacle that is met here."""
        if not self._origins.images(value):
            return
        originals = self._graph.originals(value)
        if originals is not None:
            yield from self._passed(value, originals, axes)
            return
        frame, node, _ = value
        op = frame.op(node)
        inputs = frame.inputs(node)
        if op in ew.SAME or op in ew.UNARY or op in ew.NORMALISATIONS:
            yield from ((source, axes) for source in inputs[:1])
        elif op in ew.PRODUCTS:
            yield from self._product(value, inputs, inputs, axes)
        elif op in ew.QUOTIENTS:
            yield from self._product(value, inputs, inputs[:1], axes)
        elif op in ew.SELECTS:
            if not self._is_branching(value, inputs):
                yield from self._product(value, inputs[:1], inputs[1:], axes)
        elif op in ew.SUMS or op in ew.CAPS:
            yield from self._sum(value, inputs, axes)
        elif op in ew.REDUCTIONS:
            before = reduced(self._graph, value, axes)
            if before is not None:
                yield inputs[0], before
        elif op in ew.MOVES:
            yield from self._move(value, inputs, axes)
        elif op == "Einsum":
            yield from self._einsum(value, inputs, axes)
        elif is_unknown(self._graph, op):
            yield UnknownOp(frame, node)

    def _passed(self, value: Value, originals: Sequence[Value], axes: Axes) -> Iterator[Step | Mask]:
        condition = self._graph.condition(value[0], value[1])
        if condition is not None and self._origins.mask(condition) and not all(map(self._origins.images, originals)):
            # The whole result is replaced at random by something that does not depend on the images.
            yield Mask(value[0], value[1], condition)
        yield from ((source, axes) for source in originals)

    def _product(
        self, value: Value, factors: Sequence[Value], operands: Sequence[Value], axes: Axes
    ) -> Iterator[Step | Mask]:
        """`factors` mask the result if they are masks; `operands` are what the entries of the result come from."""
        found = shape(self._graph, value)
        for factor in factors:
            if self._origins.mask(factor) and self._outlives(factor, value, found, axes) and not self._is_count(factor):
                yield Mask(value[0], value[1], factor)
                return
        yield from ((operand, axes) for operand in self._whole(operands, found))

    def _is_branching(self, value: Value, inputs: Sequence[Value]) -> bool:
        """Whether a selection at random leaves out a branch of the network, as stochastic depth does: what it takes
        instead are the images' features without that branch, and nothing becomes 0."""
        if len(inputs) != 3 or not self._origins.mask(inputs[0]):
            return False
        whole = self._whole(inputs[1:], shape(self._graph, value))
        return len(whole) == 2 and not meet(self._graph, self._origins, whole)

    def _is_count(self, factor: Value) -> bool:
        """Whether a random factor is one number that a whole random tensor adds up to: the share that a mask keeps, by
        which DropBlock scales what is left."""
        waiting = [factor]
        for _ in range(_COUNTING):
            if not waiting:
                return True
            value = self._graph.see_through(waiting.pop())
            frame, node, _ = value
            inputs = frame.inputs(node)
            if frame.op(node) in ("Sum", "Mean"):
                dims = (shape(self._graph, value), shape(self._graph, inputs[0]))
                if None in dims or any(size != 1 for size in dims[0] or ()) or all(size == 1 for size in dims[1] or ()):
                    return False
            elif frame.op(node) in _ARITHMETIC:
                waiting += [source for source in inputs if self._origins.mask(source)]
            else:
                return False
        return False

    def _sum(self, value: Value, operands: Sequence[Value], axes: Axes) -> Iterator[Step | Mask]:
        frame, node, _ = value
        op = frame.op(node)
        found = shape(self._graph, value)
        if op in ew.CAPS:
            for operand in operands:
                if self._origins.mask(operand) and self._outlives(operand, value, found, axes):
                    yield Mask(frame, node, operand)
                    return
        if op == "Sub" and len(operands) == 2 and not axes and minus_itself(self._graph, self._origins, *operands):
            yield Mask(frame, node, operands[1])
            return
        whole = self._whole(operands, found)
        if len(whole) == 1 or meet(self._graph, self._origins, whole):
            yield from ((operand, axes) for operand in whole)

    def _move(self, value: Value, inputs: Sequence[Value], axes: Axes) -> Iterator[Step | Mask]:
        frame, node, _ = value
        op = frame.op(node)
        places = ew.SCATTERS.get(op)
        if places is not None and places < len(inputs) and self._origins.mask(inputs[places]) and not axes:
            yield Mask(frame, node, inputs[places])
            return
        before = moved(self._graph, value, axes)
        if before is not None:
            yield from ((source, before) for source in inputs[ew.MOVES[op]])

    def _einsum(self, value: Value, inputs: Sequence[Value], axes: Axes) -> Iterator[Step | Mask]:
        """An Einsum that sums over nothing is a product, as in "bc,bc->bc"."""
        equation = value[0].body.attribute(value[1], "equation")
        left, arrow, right = (equation.s if equation is not None else b"").partition(b"->")
        terms = left.split(b",")
        if not arrow or axes or len(terms) != len(inputs) or any(sorted(set(t)) != sorted(t) for t in terms):
            return
        if set(left) - {ord(",")} <= set(right):
            whole = [source for term, source in zip(terms, inputs, strict=True) if set(term) == set(right)]
            yield from self._product(value, inputs, whole, axes)

    def _whole(self, operands: Sequence[Value], result: Dims | None) -> list[Value]:
        """The operands of the result's full shape that depend on the images."""
        return [
            o for o in dict.fromkeys(operands) if self._origins.images(o) and is_full(shape(self._graph, o), result)
        ]

    def _outlives(self, mask: Value, value: Value, result: Dims | None, axes: Axes) -> bool:
        """Whether the mask is still one after the result is averaged over these axes: it is the same along them."""
        if not axes:
            return True
        dims = shape(self._graph, mask)
        if dims is None or result is None:
            return False
        # Select takes a vector of conditions for the first axis; all else aligns the last ones.
        shift = 0 if value[0].op(value[1]) == "Select" and len(dims) == 1 else len(result) - len(dims)
        return all(not 0 <= axis - shift < len(dims) or dims[axis - shift] == 1 for axis in axes)


_COUNTING = 12
"""Steps of arithmetic between a sum over a mask and what it scales."""
_ARITHMETIC = ew.PRODUCTS | ew.QUOTIENTS | frozenset({"Add", "AddV2", "Cast", "Maximum", "Inv", "Reciprocal"})
_MOST_TURNED = 50_000
"""Steps with averaged axes: a graph that turns them this way and that has more of these than nodes."""
