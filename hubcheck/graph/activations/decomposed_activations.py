"""Softmax and sigmoid as people write them out with other ops."""

from __future__ import annotations

from hubcheck.graph.dataflow.frame import Value
from hubcheck.graph.dataflow.inlining import InlinedGraph

TINY = 1e-3
"""What is added to a number to keep it from zero is smaller."""
_SUMS = frozenset({"Add", "AddV2"})
_QUOTIENTS = frozenset({"Div", "RealDiv", "DivNoNan"})
_INVERSES = frozenset({"Reciprocal", "Inv"})
_FORMS = frozenset({"Reshape", "Squeeze", "ExpandDims", "StridedSlice", "BroadcastTo", "Tile", "Cast", "Abs"})
"""What may be done to a sum of exponentials before it divides something."""
_MADE_TWICE = frozenset({"Exp", "Sub", "Add", "AddV2", "Mul", "RealDiv", "Max", "Cast", "BiasAdd"})
"""Ops that are written once more where their result is wanted again."""
_MOST_STEPS = 8


def written_out(graph: InlinedGraph, value: Value) -> str | None:
    """The name of the activation that a value is, if its node is the last of those that spell one.

    Softmax as exp(x) / sum(exp(x)) or exp(x - log(sum(exp(x)))), log-softmax as x - log(sum(exp(x))), sigmoid as
    1 / (1 + exp(-x)), exp(x) / (1 + exp(x)), exp(-softplus(-x)) or (1 + tanh(x / 2)) / 2, log-sigmoid as -softplus(-x).
    """
    frame, node, _ = value
    op = frame.op(node)
    operands = _operands(graph, value) if op in _KNOWN else []
    if op == "Exp" and operands:
        return _of_logarithm(graph, operands[0])
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
    if op in _SUMS and any(_is_half(graph, a) and _is_half_tanh(graph, b) for a, b in (operands, operands[::-1])):
        return "sigmoid"
    return None


def _quotient(graph: InlinedGraph, above: Value, below: Value) -> str | None:
    if _op(above) == "Exp":
        if _is_alike(graph, _summed(graph, below), above):
            return "softmax"
        return "sigmoid" if _is_one_plus_exp(graph, below, above) else None
    return "sigmoid" if _is_one(graph, above) and _is_one_plus_exp(graph, below) else None


def _product(graph: InlinedGraph, one: Value, other: Value) -> str | None:
    if _op(one) == "Exp":
        inverse = _operands(graph, other) if _op(other) in _INVERSES | _QUOTIENTS else []
        is_inverse = _op(other) in _INVERSES or (len(inverse) == 2 and _is_one(graph, inverse[0]))
        if inverse and is_inverse and _is_alike(graph, _summed(graph, inverse[-1]), one):
            return "softmax"
    if _is_half(graph, one) and _op(other) in _SUMS:
        terms = _operands(graph, other)
        if any(_is_one(graph, term) for term in terms) and any(_op(term) == "Tanh" for term in terms):
            return "sigmoid"
    return None


def _of_logarithm(graph: InlinedGraph, value: Value) -> str | None:
    """What the exponential of a value is: of a log-softmax a softmax, of -softplus(-x) a sigmoid."""
    if _op(value) == "LogSoftmax":
        return "softmax"
    return {"log-softmax": "softmax", "log-sigmoid": "sigmoid"}.get(written_out(graph, value) or "")


def _summed(graph: InlinedGraph, value: Value) -> Value | None:
    """The exponentials that a value is the sum of, whatever keeps it from zero."""
    for _ in range(_MOST_STEPS):
        op, operands = _op(value), _operands(graph, value)
        if op == "Sum" and operands:
            inner = _operands(graph, operands[0])[:1] if _op(operands[0]) == "Abs" else operands[:1]
            return inner[0] if inner and _op(inner[0]) == "Exp" else None
        if op in _FORMS and operands:
            value = operands[0]
        elif op in _SUMS | {"Maximum"} and len(operands) == 2:
            kept = [operand for operand in operands if not _is_tiny(graph, operand)]
            if len(kept) != 1:
                return None
            value = kept[0]
        else:
            return None
    return None


def _is_alike(graph: InlinedGraph, one: Value | None, other: Value, depth: int = 4) -> bool:
    """Whether two values are one, or are made from the same in the same way, at most so many steps back."""
    if one is None or one == other:
        return one is not None
    constant = graph.constant(one)
    if constant is not None:
        return constant == graph.constant(other)
    if depth == 0 or _op(one) != _op(other) or _op(one) not in _MADE_TWICE:
        return False
    mine, theirs = _operands(graph, one), _operands(graph, other)
    return len(mine) == len(theirs) and all(
        _is_alike(graph, a, b, depth - 1) for a, b in zip(mine, theirs, strict=True)
    )


def _is_log_sum_exp(graph: InlinedGraph, value: Value, of: Value) -> bool:
    """log(sum(exp(x))), or the same plus the maximum that was subtracted first, reshaped or not."""
    for _ in range(_MOST_STEPS):
        if _op(value) not in _FORMS - {"Abs"} or not _operands(graph, value):
            break
        value = _operands(graph, value)[0]
    terms = _operands(graph, value) if _op(value) in _SUMS else [value]
    for logarithm in (term for term in terms if _op(term) == "Log"):
        summed = next((_summed(graph, operand) for operand in _operands(graph, logarithm)), None)
        for exponent in _operands(graph, summed) if summed is not None else ():
            shifted = _operands(graph, exponent)[:1] if _op(exponent) in ("Sub", *_SUMS) else []
            if any(_is_alike(graph, scores, of) for scores in (exponent, *shifted)):
                return True
    return False


def _is_one_plus_exp(graph: InlinedGraph, value: Value, exponential: Value | None = None) -> bool:
    """1 + exp(x), for any x or for that of another exponential."""
    terms = _operands(graph, value) if _op(value) in _SUMS else []
    exponentials = [term for term in terms if _op(term) == "Exp"]
    if exponential is not None:
        exponentials = [term for term in exponentials if _is_alike(graph, term, exponential)]
    return bool(exponentials) and any(_is_one(graph, term) for term in terms)


def _is_half_tanh(graph: InlinedGraph, value: Value) -> bool:
    factors = _operands(graph, value) if _op(value) == "Mul" else []
    return any(_is_half(graph, f) for f in factors) and any(_op(f) == "Tanh" for f in factors)


def _is_one(graph: InlinedGraph, value: Value) -> bool:
    return _scalar(graph, value) == 1


def _is_half(graph: InlinedGraph, value: Value) -> bool:
    return _scalar(graph, value) == 0.5


def _is_tiny(graph: InlinedGraph, value: Value) -> bool:
    scalar = _scalar(graph, value)
    return scalar is not None and abs(scalar) < TINY


def _scalar(graph: InlinedGraph, value: Value) -> float | None:
    constant = graph.constant(value)
    return constant.scalar if constant is not None else None


def _op(value: Value) -> str:
    return value[0].op(value[1])


def _operands(graph: InlinedGraph, value: Value) -> list[Value]:
    return [graph.see_through(source) for source in value[0].inputs(value[1])]


_KNOWN = _QUOTIENTS | _INVERSES | _SUMS | {"Exp", "Mul", "Neg", "Sub"}
