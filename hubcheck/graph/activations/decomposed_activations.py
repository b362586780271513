"""Softmax and log-softmax, written in other ops."""

from __future__ import annotations

from hubcheck.graph.dataflow.frame import MAX_CHAIN, Value
from hubcheck.graph.dataflow.inlining import InlinedGraph
from hubcheck.graph.op_tables import elementwise as ew

TINY = 1e-3
"""Numbers that are added to others to keep them from zero are smaller."""
_QUOTIENTS = frozenset({"Div", "RealDiv", "DivNoNan"})
_INVERSES = frozenset({"Reciprocal", "Inv"})
_FORMS = frozenset({"Reshape", "Squeeze", "ExpandDims", "StridedSlice", "BroadcastTo", "Tile", "Cast", "Abs"})
"""Ops that may come between a sum of exponentials and the division by it."""
_COMPUTED_TWICE = frozenset({"Exp", "Pow", "Sub", "Add", "AddV2", "Mul", "RealDiv", "Max", "Cast", "BiasAdd"})
"""Ops that are repeated where their result is needed again."""
_KNOWN = _QUOTIENTS | {"Exp", "Mul", "Sub"}


def decomposed_activation(graph: InlinedGraph, value: Value) -> str | None:
    """Return the name of the activation whose last node computes a value, None if there is none.

    Softmax as exp(x) / sum(exp(x)) or exp(x - log(sum(exp(x)))), log-softmax as x - log(sum(exp(x))).
    """
    frame, node, _ = value
    op = frame.op(node)
    operands = _operands(graph, value) if op in _KNOWN else []
    if op == "Exp" and operands:
        is_logarithm = _op(operands[0]) == "LogSoftmax" or _is_log_softmax(graph, operands[0])
        return "softmax" if is_logarithm else None
    if len(operands) != 2:
        return None
    is_softmax = (op in _QUOTIENTS and _is_quotient(graph, *operands)) or (
        op == "Mul" and (_is_product(graph, *operands) or _is_product(graph, *reversed(operands)))
    )
    if is_softmax:
        return "softmax"
    return "log-softmax" if _is_log_softmax(graph, value) else None


def _is_quotient(graph: InlinedGraph, above: Value, below: Value) -> bool:
    return _is_exponential(graph, above) and _are_equal(graph, _summed(graph, below), above)


def _is_product(graph: InlinedGraph, one: Value, other: Value) -> bool:
    is_share = _is_exponential(graph, one) and _op(other) in _INVERSES | _QUOTIENTS
    inverse = _operands(graph, other) if is_share else []
    is_inverse = _op(other) in _INVERSES or (len(inverse) == 2 and graph.scalar(inverse[0]) == 1)
    return bool(inverse) and is_inverse and _are_equal(graph, _summed(graph, inverse[-1]), one)


def _is_exponential(graph: InlinedGraph, value: Value) -> bool:
    """Return whether a value is an exponential, or the power of a constant."""
    base = _operands(graph, value)[:1] if _op(value) == "Pow" else []
    return _op(value) == "Exp" or (bool(base) and graph.scalar(base[0]) is not None)


def _is_log_softmax(graph: InlinedGraph, value: Value) -> bool:
    operands = _operands(graph, value) if _op(value) == "Sub" else []
    return len(operands) == 2 and _is_log_sum_exp(graph, operands[1], operands[0])


def _summed(graph: InlinedGraph, value: Value) -> Value | None:
    """Return the exponentials of which a value is the sum, whatever keeps it from zero."""
    for _ in range(MAX_CHAIN):
        op, operands = _op(value), _operands(graph, value)
        if op == "Sum" and operands:
            inner = _operands(graph, operands[0])[:1] if _op(operands[0]) == "Abs" else operands[:1]
            return inner[0] if inner and _is_exponential(graph, inner[0]) else None
        if op in _FORMS and operands:
            value = operands[0]
        elif op in ew.ADDS | {"Maximum"} and len(operands) == 2:
            kept = [operand for operand in operands if not _is_tiny(graph, operand)]
            if len(kept) != 1:
                return None
            value = kept[0]
        else:
            return None
    return None


def _are_equal(graph: InlinedGraph, one: Value | None, other: Value, depth: int = 4) -> bool:
    """Return whether two values are equal: one value, or computed in the same way within the last `depth` ops."""
    if one is None or one == other:
        return one is not None
    constant = graph.constant(one)
    if constant is not None:
        return constant == graph.constant(other)
    if depth == 0 or _op(one) != _op(other) or _op(one) not in _COMPUTED_TWICE:
        return False
    mine, theirs = _operands(graph, one), _operands(graph, other)
    return len(mine) == len(theirs) and all(
        _are_equal(graph, a, b, depth - 1) for a, b in zip(mine, theirs, strict=True)
    )


def _is_log_sum_exp(graph: InlinedGraph, value: Value, of: Value) -> bool:
    """Match log(sum(exp(x))), or the same plus the maximum that was subtracted first, reshaped or not."""
    for _ in range(MAX_CHAIN):
        if _op(value) not in _FORMS - {"Abs"} or not _operands(graph, value):
            break
        value = _operands(graph, value)[0]
    terms = _operands(graph, value) if _op(value) in ew.ADDS else [value]
    for logarithm in (term for term in terms if _op(term) == "Log"):
        summed = next((_summed(graph, operand) for operand in _operands(graph, logarithm)), None)
        for exponent in _operands(graph, summed) if summed is not None else ():
            shifted = _operands(graph, exponent)[:1] if _op(exponent) in ("Sub", *ew.ADDS) else []
            if any(_are_equal(graph, scores, of) for scores in (exponent, *shifted)):
                return True
    return False


def _is_tiny(graph: InlinedGraph, value: Value) -> bool:
    scalar = graph.scalar(value)
    return scalar is not None and abs(scalar) < TINY


def _op(value: Value) -> str:
    return value[0].op(value[1])


def _operands(graph: InlinedGraph, value: Value) -> list[Value]:
    return [graph.see_through(source) for source in value[0].inputs(value[1])]
