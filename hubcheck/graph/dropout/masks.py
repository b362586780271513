"""Dropout on an output: the masks between it and the last layer that mixes entries.

A mask is a value that depends on a random op and not on the images. The walk goes back from an output through all ops
that treat entries one by one (maps, moves, scales, shifts), and ends where entries are mixed: at matrix products,
convolutions, pooling windows, sums of independent branches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from hubcheck.graph.dataflow.dependence import Dependence
from hubcheck.graph.dataflow.frame import MAX_SEARCH, CallFrame, Value
from hubcheck.graph.dataflow.inlining import InlinedGraph
from hubcheck.graph.dataflow.shapes import Dims, is_full, shape
from hubcheck.graph.dataflow.unknown_ops import UnknownOp, is_unknown
from hubcheck.graph.dropout.averaged_axes import Axes, before_move, before_reduction
from hubcheck.graph.dropout.single_source import have_single_source
from hubcheck.graph.op_tables import elementwise as ew
from hubcheck.util.record import record


@record
class Mask:
    """A node that masks entries of an output, and its operand that is the mask."""

    frame: CallFrame
    node: int
    mask: Value


WalkState = tuple[Value, Axes]
"""A value, and the axes over which it is averaged on its way to the output."""


def masks(
    graph: InlinedGraph,
    dependence: Dependence,
    outputs: Iterable[Value],
    is_weight: Callable[[Value], bool] = lambda value: False,
) -> Iterator[Mask | UnknownOp]:
    """Yield the masks on the outputs, each node once, and nodes that hide whether there are more.

    `is_weight` says which random values that do not depend on the images are weights, and so no masks.
    """
    walk = _Walk(graph, dependence, is_weight)
    waiting: list[WalkState] = [(output, ()) for output in outputs]
    seen = set(waiting)
    reported: set[tuple[CallFrame, int]] = set()
    averaged = 0
    while waiting:
        value, axes = waiting.pop()
        averaged += bool(axes)
        if averaged > _MAX_AVERAGED:
            yield UnknownOp(value[0], value[1])
            return
        for state in walk.back(value, axes):
            if isinstance(state, Mask | UnknownOp):
                if (state.frame, state.node) not in reported:
                    reported.add((state.frame, state.node))
                    yield state
            elif state not in seen:
                seen.add(state)
                waiting.append(state)


class _Walk:
    """One step back from a value that is averaged over `axes` on its way to the output."""

    def __init__(self, graph: InlinedGraph, dependence: Dependence, is_weight: Callable[[Value], bool]) -> None:
        self._graph, self._dependence, self._is_weight = graph, dependence, is_weight

    def back(self, value: Value, axes: Axes) -> Iterator[WalkState | Mask | UnknownOp]:
        """Yield where the entries of a value come from, and the mask or the unknown op that its node is."""
        if not self._dependence.images(value):
            return
        frame, node, _ = value
        originals = self._graph.originals(value)
        if originals is not None:
            condition = self._graph.condition(frame, node)
            kept = all(map(self._dependence.images, originals))
            if condition is not None and not kept and self._is_random(condition):
                # At random, something that does not depend on the images replaces the whole result.
                yield Mask(frame, node, condition)
            yield from ((source, axes) for source in originals)
            return
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
            before = before_reduction(self._graph, value, axes)
            yield from [(inputs[0], before)] if before is not None else []
        elif op in ew.MOVES:
            yield from self._move(value, inputs, axes)
        elif op == "Einsum":
            yield from self._einsum(value, inputs, axes)
        elif is_unknown(self._graph, frame, node):
            yield UnknownOp(frame, node)

    def _is_random(self, value: Value) -> bool:
        return self._dependence.mask(value) and not self._is_weight(value)

    def _product(
        self, value: Value, factors: Sequence[Value], operands: Sequence[Value], axes: Axes
    ) -> Iterator[WalkState | Mask]:
        """Follow `operands`, of which the result is made, unless one of `factors` is a mask."""
        dims = shape(self._graph, value)
        for factor in factors:
            if self._is_mask(factor, value, dims, axes) and not self._is_kept_share(factor):
                yield Mask(value[0], value[1], factor)
                return
        yield from ((operand, axes) for operand in self._full(operands, dims))

    def _is_branching(self, value: Value, inputs: Sequence[Value]) -> bool:
        """Return whether a random selection skips a branch of the network, as stochastic depth does."""
        if len(inputs) != 3 or not self._is_random(inputs[0]):
            return False
        full = self._full(inputs[1:], shape(self._graph, value))
        return len(full) == 2 and not have_single_source(self._graph, self._dependence, full)

    def _is_kept_share(self, factor: Value) -> bool:
        """Return whether a factor is computed from the sum over a whole mask, as DropBlock scales what it keeps."""
        waiting = [factor]
        for _ in range(MAX_SEARCH):
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
                waiting += [source for source in inputs if self._is_random(source)]
            else:
                return False
        return False

    def _sum(self, value: Value, operands: Sequence[Value], axes: Axes) -> Iterator[WalkState | Mask]:
        frame, node, _ = value
        op = frame.op(node)
        dims = shape(self._graph, value)
        found = [o for o in operands if op in ew.CAPS and self._is_mask(o, value, dims, axes)]
        if op == "Sub" and len(operands) == 2 and not axes and self._is_masked_copy(operands[1], operands[0]):
            found = [operands[1]]
        if found:
            yield Mask(frame, node, found[0])
            return
        full = self._full(operands, dims)
        if len(full) == 1 or have_single_source(self._graph, self._dependence, full):
            yield from ((operand, axes) for operand in full)

    def _is_masked_copy(self, product: Value, value: Value) -> bool:
        """Return whether a product is `value * mask`: a dropout that subtracts it keeps what others drop."""
        frame, node, _ = self._graph.see_through(product)
        factors = frame.inputs(node) if frame.op(node) in ew.PRODUCTS else []
        copies = map(self._graph.see_through, factors)
        return any(map(self._is_random, factors)) and self._graph.see_through(value) in copies

    def _move(self, value: Value, inputs: Sequence[Value], axes: Axes) -> Iterator[WalkState | Mask]:
        frame, node, _ = value
        op = frame.op(node)
        indices = ew.SCATTERS.get(op)
        if indices is not None and indices < len(inputs) and self._is_random(inputs[indices]) and not axes:
            yield Mask(frame, node, inputs[indices])
            return
        before = before_move(self._graph, value, axes)
        if before is not None:
            yield from ((source, before) for source in inputs[ew.MOVES[op]])

    def _einsum(self, value: Value, inputs: Sequence[Value], axes: Axes) -> Iterator[WalkState | Mask]:
        """Follow an Einsum that sums over nothing, which is a product, as in "bc,bc->bc"."""
        equation = value[0].body.attribute(value[1], "equation")
        left, arrow, right = (equation.s if equation is not None else b"").partition(b"->")
        terms = left.split(b",")
        if not arrow or axes or len(terms) != len(inputs) or any(sorted(set(t)) != sorted(t) for t in terms):
            return
        if set(left) - {ord(",")} <= set(right):
            full = [source for term, source in zip(terms, inputs, strict=True) if set(term) == set(right)]
            yield from self._product(value, inputs, full, axes)

    def _full(self, operands: Sequence[Value], result: Dims | None) -> list[Value]:
        """Return the operands that depend on the images and have the full shape of the result."""
        dependent = filter(self._dependence.images, dict.fromkeys(operands))
        return [operand for operand in dependent if is_full(shape(self._graph, operand), result)]

    def _is_mask(self, mask: Value, value: Value, result: Dims | None, axes: Axes) -> bool:
        """Return whether an operand is a mask, and still one after averaging: it must be constant along `axes`."""
        if not self._is_random(mask):
            return False
        if not axes:
            return True
        dims = shape(self._graph, mask)
        if dims is None or result is None:
            return False
        # A vector of conditions of Select belongs to the first axis; all other ops align the last axes.
        shift = 0 if value[0].op(value[1]) == "Select" and len(dims) == 1 else len(result) - len(dims)
        return all(not 0 <= axis - shift < len(dims) or dims[axis - shift] == 1 for axis in axes)


_ARITHMETIC = ew.PRODUCTS | ew.QUOTIENTS | frozenset({"Add", "AddV2", "Cast", "Maximum", "Inv", "Reciprocal"})
_MAX_AVERAGED = 50_000
"""States with averaged axes: a graph that transposes them again and again has more of these than nodes."""
