"""Softmax, sigmoid and their logarithms, written in other ops."""

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
_COMPUTED_TWICE = frozenset({"Exp", "Sub", "Add", "AddV2", "Mul", "RealDiv", "Max", "Cast", "BiasAdd"})
"""Ops that are repeated where their result is needed again."""
_KNOWN = _QUOTIENTS | _INVERSES | ew.ADDS | {"Exp", "Mul", "Neg", "Sub"}


def decomposed_activation(graph: InlinedGraph, value: Value) -> str | None:
    """Return the name of the activation whose last node computes a value, None if there is none.

    Softmax as exp(x) / sum(exp(x)) or exp(x - log(sum(exp(x)))), log-softmax as x - log(sum(exp(x))), sigmoid as
    1 / (1 + exp(-x)), exp(x) / (1 + exp(x)), exp(-softplus(-x)) or (1 + tanh(x / 2)) / 2, log-sigmoid as -softplus(-x).
    """
    frame, node, _ = value
    op = frame.op(node)
    operands = _operands(graph, value) if op in _KNOWN else []
    if op == "Exp" and operands:
        return _exponential(graph, operands[0])
    if op == "Neg" and operands:
        return "log-sigmoid" if _op(operands[0]) == "Softplus" else None
    if op in _INVERSES and operands:
        return "sigmoid" if _is_one_plus_exp(graph, operands[0]) else None
    if len(operands) != 2:
        return None
    if op in _QUOTIENTS:
        return _quotient(graph, *operands)
    if op == "Mul":
        return _product(graph, *operands) or _product(graph, *reversed(operands))
    if op == "Sub" and _is_log_sum_exp(graph, operands[1], operands[0]):
        return "log-softmax"
    if op in ew.ADDS and any(graph.scalar(a) == 0.5 and _is_half_tanh(graph, b) for a, b in (operands, operands[::-1])):
        return "sigmoid"
    return None


def _quotient(graph: InlinedGraph, above: Value, below: Value) -> str | None:
    if _op(above) == "Exp":
        if _are_equal(graph, _summed(graph, below), above):
            return "softmax"
        return "sigmoid" if _is_one_plus_exp(graph, below, above) else None
    return "sigmoid" if graph.scalar(above) == 1 and _is_one_plus_exp(graph, below) else None


def _product(graph: InlinedGraph, one: Value, other: Value) -> str | None:
    if _op(one) == "Exp":
        inverse = _operands(graph, other) if _op(other) in _INVERSES | _QUOTIENTS else []
        is_inverse = _op(other) in _INVERSES or (len(inverse) == 2 and graph.scalar(inverse[0]) == 1)
        if inverse and is_inverse and _are_equal(graph, _summed(graph, inverse[-1]), one):
            return "softmax"
    if graph.scalar(one) == 0.5 and _op(other) in ew.ADDS:
        terms = _operands(graph, other)
        if any(graph.scalar(term) == 1 for term in terms) and any(_op(term) == "Tanh" for term in terms):
            return "sigmoid"
    return None


def _exponential(graph: InlinedGraph, value: Value) -> str | None:
    """Return what the exponential of a value is: of a log-softmax a softmax, of a log-sigmoid a sigmoid."""
    if _op(value) == "LogSoftmax":
        return "softmax"
    logarithm = decomposed_activation(graph, value) if _op(value) in ("Sub", "Neg") else None
    return logarithm.removeprefix("log-") if logarithm is not None else None


def _summed(graph: InlinedGraph, value: Value) -> Value | None:
    """Return the exponentials of which a value is the sum, whatever keeps it from zero."""
    for _ in range(MAX_CHAIN):
        op, operands = _op(value), _operands(graph, value)
        if op == "Sum" and operands:
            inner = _operands(graph, operands[0])[:1] if _op(operands[0]) == "Abs" else operands[:1]
            return inner[0] if inner and _op(inner[0]) == "Exp" else None
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


def _is_one_plus_exp(graph: InlinedGraph, value: Value, exponential: Value | None = None) -> bool:
    """Match 1 + exp(x), for any x or for that of a given exponential."""
    terms = _operands(graph, value) if _op(value) in ew.ADDS else []
    exponentials = [term for term in terms if _op(term) == "Exp"]
    if exponential is not None:
        exponentials = [term for term in exponentials if _are_equal(graph, term, exponential)]
    return bool(exponentials) and any(graph.scalar(term) == 1 for term in terms)


def _is_half_tanh(graph: InlinedGraph, value: Value) -> bool:
    factors = _operands(graph, value) if _op(value) == "Mul" else []
    return any(graph.scalar(f) == 0.5 for f in factors) and any(_op(f) == "Tanh" for f in factors)


def _is_tiny(graph: InlinedGraph, value: Value) -> bool:
    scalar = graph.scalar(value)
    return scalar is not None and abs(scalar) < TINY


def _op(value: Value) -> str:
    return value[0].op(value[1])


def _operands(graph: InlinedGraph, value: Value) -> list[Value]:
    return [graph.see_through(source) for source in value[0].inputs(value[1])]
