"""Constant folding for conditions, axes and scales."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from hubcheck.graph.dataflow.body import Port
from hubcheck.graph.dataflow.constant_shuffles import SHUFFLES, shuffled
from hubcheck.graph.dataflow.constants import Constant, Number, read_constant
from hubcheck.graph.dataflow.frame import CallFrame, Value

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
    "Reciprocal": lambda x: 1 / x,
    "Inv": lambda x: 1 / x,
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
    "Add": lambda a, b: a + b,
    "AddV2": lambda a, b: a + b,
    "Sub": lambda a, b: a - b,
    "Mul": lambda a, b: a * b,
    "RealDiv": lambda a, b: a / b,
    "Div": lambda a, b: a / b,
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

    Args:
        target: the value.
        step: the op that computes a value, and its operands.
        memo: where results are kept.
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
        if op in SHUFFLES:
            known = [operand for operand in operands if operand is not None]
            return shuffled(op, known, attribute) if len(known) == len(operands) else None
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
            result = _broadcast(_BINARY["Add" if op == "AddN" else op], result, operand)
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


_FOLDED = _SAME | _RESHAPES | _UNARY.keys() | _BINARY.keys() | SHUFFLES | {"constant", "Cast", "AddN"}
