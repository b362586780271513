"""Constant folding for conditions, axes and scales: arithmetic, and ops that rearrange small constants."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from hubcheck.graph.dataflow.body import Port
from hubcheck.graph.dataflow.constants import MAX_ELEMENTS, Constant, Number, read_constant
from hubcheck.graph.dataflow.frame import CallFrame, Value

_SHUFFLES = frozenset(
    {"Pack", "ConcatV2", "StridedSlice", "ReverseV2", "Fill", "Tile", "BroadcastTo", "OnesLike", "ZerosLike"}
)


def _shuffled(op: str, operands: Sequence[Constant], attribute: Callable[[str], Any]) -> Constant | None:
    """Return the constant that one of `_SHUFFLES` makes; None if it is large, or in a form that is not supported."""
    first, *others = operands
    values = list(first.values)
    match op:
        case "Pack":
            return _small((len(operands),), [value for operand in operands for value in operand.values])
        case "OnesLike" | "ZerosLike":
            return _small(first.shape, [int(op == "OnesLike")] * len(values))
        case "ConcatV2" if others:
            return _concatenated(operands[:-1], operands[-1].scalar)
        case "Fill" if others:
            scalar, shape = others[0].scalar, _shape(values)
            return None if scalar is None or shape is None else _small(shape, [scalar], math.prod(shape))
        case "BroadcastTo" if others:
            shape = _shape(others[0].values)
            if shape is None or not (len(values) == 1 or shape[len(shape) - len(first.shape) :] == first.shape):
                return None
            return _small(shape, values, math.prod(shape) // len(values) if values else 0)
        case "Tile" if others and len(first.shape) == 1 and others[0].scalar is not None:
            times = int(others[0].scalar)
            return _small((len(values) * times,), values, times)
        case "ReverseV2" if others and len(first.shape) == 1:
            return _small(first.shape, values[::-1] if others[0].values else values)
        case "StridedSlice" if len(others) == 3 and len(first.shape) == 1:
            return _sliced(values, others, attribute)
    return None


def _sliced(values: list[Number], bounds: Sequence[Constant], attribute: Callable[[str], Any]) -> Constant | None:
    begin, end, stride = (bound.scalar for bound in bounds)
    masks = {
        name: (mask.i if (mask := attribute(f"{name}_mask")) is not None else 0)
        for name in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")
    }
    if begin is None or end is None or not stride or masks["ellipsis"] or masks["new_axis"]:
        return None
    if masks["shrink_axis"] & 1:
        return Constant((), (values[int(begin)],)) if -len(values) <= begin < len(values) else None
    part = values[None if masks["begin"] & 1 else int(begin) : None if masks["end"] & 1 else int(end) : int(stride)]
    return _small((len(part),), part)


def _concatenated(parts: Sequence[Constant], axis: Number | None) -> Constant | None:
    """Return the parts joined along an axis; None where a dimension before it is not 1, so that values interleave."""
    first = parts[0].shape
    if axis is None or not -len(first) <= axis < len(first):
        return None
    place = int(axis) % len(first)
    alike = {(part.shape[:place], part.shape[place + 1 :]) for part in parts}
    if alike != {(first[:place], first[place + 1 :])} or math.prod(first[:place]) != 1:
        return None
    size = sum(part.shape[place] for part in parts)
    joined = [value for part in parts for value in part.values]
    return _small((*first[:place], size, *first[place + 1 :]), joined)


def _shape(values: Sequence[Number]) -> tuple[int, ...] | None:
    return tuple(map(int, values)) if all(value >= 0 for value in values) else None


def _small(shape: tuple[int, ...], values: list[Number], times: int = 1) -> Constant | None:
    return Constant(shape, tuple(values * times)) if 0 <= len(values) * times <= MAX_ELEMENTS else None


Fold = tuple[str | Constant, list[Value]]
"""An op, or "constant", or "same" (a copy of one of several values), and its operands; or a constant."""
Memo = Callable[[CallFrame], dict[Port, Constant | None]]
"""Returns what is known of the values in a frame."""

_SAME = frozenset(
    {"same", "Identity", "StopGradient", "Enter", "RefEnter", "Exit", "RefExit", "EnsureShape", "Snapshot",
     "PreventGradient", "GuaranteeConst", "CheckNumerics"}
)  # fmt: skip
_RESHAPES = frozenset({"Reshape", "ExpandDims", "Squeeze"})
_UNARY: dict[str, Callable[[Number], Number]] = {
    "LogicalNot": lambda x: not x,
    "Neg": lambda x: -x,
    "Square": lambda x: x * x,
    "Sqrt": math.sqrt,
    "Rsqrt": lambda x: 1 / math.sqrt(x),
    **dict.fromkeys(("Reciprocal", "Inv"), lambda x: 1 / x),
    "Exp": math.exp,
    "Expm1": math.expm1,
    "Log": math.log,
    "Log1p": math.log1p,
    "Softplus": lambda x: max(x, 0) + math.log1p(math.exp(-abs(x))),
    "Tanh": math.tanh,
}
_BINARY: dict[str, Callable[[Number, Number], Number]] = {
    "LogicalAnd": lambda a, b: bool(a and b),
    "LogicalOr": lambda a, b: bool(a or b),
    "Equal": lambda a, b: a == b,
    "NotEqual": lambda a, b: a != b,
    "Greater": lambda a, b: a > b,
    "GreaterEqual": lambda a, b: a >= b,
    "Less": lambda a, b: a < b,
    "LessEqual": lambda a, b: a <= b,
    **dict.fromkeys(("Add", "AddV2", "AddN"), operator.add),
    "Sub": operator.sub,
    "Mul": operator.mul,
    **dict.fromkeys(("RealDiv", "Div"), operator.truediv),
    "DivNoNan": lambda a, b: a / b if b else 0,
    "Pow": lambda a, b: float(a) ** b,
    "Maximum": max,
    "Minimum": min,
}
INTEGERS = frozenset({3, 4, 5, 6, 9, 17, 22, 23})
"""The enum numbers of the integer dtypes."""
_CASTS: dict[int, Callable[[Number], Number]] = {10: bool, **dict.fromkeys(INTEGERS, int)}
"""How a number is cast to a dtype, by its enum number; to any other, as a float."""
_ABSORBING = {"LogicalAnd": False, "LogicalOr": True}
"""An operand of this value decides the result, whatever the other is."""


def fold(target: Value, step: Callable[[Value], Fold], memo: Memo = lambda frame: frame.constants) -> Constant | None:
    """Return the constant that a value is in every run; None if it varies, is large, or is made by other ops.

    `step` returns the op that computes a value, and its operands; `memo` keeps results.
    """
    waiting = [target]
    steps: dict[tuple[int, int, int], Fold] = {}
    while waiting:
        value = waiting[-1]
        frame, node, number = value
        key = (id(frame), node, number)
        if (node, number) in memo(frame):
            waiting.pop()
        elif key not in steps:
            op, sources = steps[key] = step(value)
            if op in _FOLDED:
                # Values that are already being folded are in a loop, and not constant.
                waiting += [s for s in sources if (id(s[0]), s[1], s[2]) not in steps]
        else:
            waiting.pop()
            op, sources = steps[key]
            operands = [memo(s[0]).get((s[1], s[2])) for s in sources]
            known = op if isinstance(op, Constant) else _evaluate(op, operands, partial(frame.body.attribute, node))
            memo(frame)[node, number] = known
    return memo(target[0])[target[1], target[2]]


def _evaluate(op: str, operands: Sequence[Constant | None], attribute: Callable[[str], Any]) -> Constant | None:
    if op == "constant":
        value = attribute("value")
        return read_constant(value.tensor) if value is not None else None
    first = operands[0] if operands else None
    if op == "same":
        return first if all(operand == first for operand in operands) else None
    if op in _ABSORBING:
        for operand in operands:
            if operand is not None and operand.scalar is not None and bool(operand.scalar) == _ABSORBING[op]:
                return Constant((), (_ABSORBING[op],))
    if op in _SAME or op in _RESHAPES:
        return first
    if first is None or op not in _FOLDED:
        return None
    try:
        if op in _SHUFFLES:
            known = [operand for operand in operands if operand is not None]
            return _shuffled(op, known, attribute) if len(known) == len(operands) else None
        if op == "Cast":
            target = attribute("DstT")
            number = _CASTS.get(target.type, float) if target is not None else float
            return Constant(first.shape, tuple(map(number, first.values)))
        if op in _UNARY:
            return Constant(first.shape, tuple(_UNARY[op](x) for x in first.values))
        result: Constant | None = first
        for operand in operands[1:]:
            if result is None or operand is None:
                return None
            result = _broadcast(_BINARY[op], result, operand)
        return result
    except (ArithmeticError, ValueError, TypeError):
        return None


def _broadcast(function: Callable[[Number, Number], Number], a: Constant, b: Constant) -> Constant | None:
    """Combine constants of equal size, or a scalar with any other; None for other shapes."""
    if len(a.values) == len(b.values):
        shape = a.shape if len(a.shape) >= len(b.shape) else b.shape
        return Constant(shape, tuple(map(function, a.values, b.values)))
    if len(b.values) == 1:
        return Constant(a.shape, tuple(function(x, b.values[0]) for x in a.values))
    if len(a.values) == 1:
        return Constant(b.shape, tuple(function(a.values[0], x) for x in b.values))
    return None


ELEMENTWISE = _SAME | _UNARY.keys() | _BINARY.keys() | {"Cast"}
"""Ops of which each entry of the result is made of the same entry of their operands."""
_FOLDED = _SAME | _RESHAPES | _UNARY.keys() | _BINARY.keys() | _SHUFFLES | {"constant", "Cast"}
