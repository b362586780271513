"""Ops that rearrange small constants: pack, concatenate, slice, reverse, repeat."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from hubcheck.graph.dataflow.constants import MAX_ELEMENTS, Constant, Number

SHUFFLES = frozenset(
    {"Pack", "ConcatV2", "StridedSlice", "ReverseV2", "Fill", "Tile", "BroadcastTo", "OnesLike", "ZerosLike"}
)


def shuffled(op: str, operands: Sequence[Constant], attribute: Callable[[str], Any]) -> Constant | None:
    """Return the constant that one of these ops makes; None if it is large, or in a form that is not supported."""
    first, *others = operands
    values = list(first.values)
    match op:
        case "Pack":
            return _small((len(operands),), [value for operand in operands for value in operand.values])
        case "OnesLike" | "ZerosLike":
            return _small(first.shape, [int(op == "OnesLike")] * len(values))
        case "ConcatV2" if others:
            parts = operands[:-1]
            if operands[-1].scalar not in (0, -1) or any(len(part.shape) != 1 for part in parts):
                return None
            joined = [value for part in parts for value in part.values]
            return _small((len(joined),), joined)
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


def _shape(values: Sequence[Number]) -> tuple[int, ...] | None:
    return tuple(map(int, values)) if all(value >= 0 for value in values) else None


def _small(shape: tuple[int, ...], values: list[Number], times: int = 1) -> Constant | None:
    return Constant(shape, tuple(values * times)) if 0 <= len(values) * times <= MAX_ELEMENTS else None
