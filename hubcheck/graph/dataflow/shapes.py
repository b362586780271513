"""Static shapes, as far as the graph states them. Nothing is inferred."""

from __future__ import annotations

from typing import Any

from hubcheck.graph.dataflow.body import ARGUMENT
from hubcheck.graph.dataflow.frame import Value
from hubcheck.graph.dataflow.inlining import InlinedGraph

Dims = tuple[int | None, ...]

_STEPS = 64
"""How many callers are asked for the shape of what they give."""


def shape(graph: InlinedGraph, value: Value) -> Dims | None:
    """The sizes of a value, None for each that is unknown; None altogether if even the rank is."""
    for _ in range(_STEPS):
        frame, node, number = value
        stated = _argument(frame.body.proto, node) if frame.op(node) == ARGUMENT else _stated(frame.body, node, number)
        if stated is not None:
            return stated
        passed = graph.passes(value)
        if not passed:
            return None
        value = passed[0]
    return None


def is_full(operand: Dims | None, result: Dims | None) -> bool:
    """Whether an operand has all entries of the result, so that nothing of it is broadcast; unknown counts as full."""
    if operand is None or result is None:
        return True
    if len(operand) < len(result):
        return all(size == 1 for size in result[: len(result) - len(operand)])
    return all(size != 1 or whole == 1 for size, whole in zip(operand[::-1], result[::-1], strict=False))


def _stated(body: Any, node: int, number: int) -> Dims | None:
    shapes = body.attribute(node, "_output_shapes")
    if shapes is not None and number < len(shapes.list.shape):
        return _dims(shapes.list.shape[number])
    match body.ops[node]:
        case "Const":
            value = body.attribute(node, "value")
            return None if value is None else _dims(value.tensor.tensor_shape)
        case "Placeholder" | "PlaceholderWithDefault" | "EnsureShape":
            stated = body.attribute(node, "shape")
            return None if stated is None else _dims(stated.shape)
        case _:
            return None


def _argument(function: Any, argument: int) -> Dims | None:
    if argument not in function.arg_attr or "_output_shapes" not in function.arg_attr[argument].attr:
        return None
    shapes = function.arg_attr[argument].attr["_output_shapes"].list.shape
    return _dims(shapes[0]) if shapes else None


def _dims(proto: Any) -> Dims | None:
    return None if proto.unknown_rank else tuple(dim.size if dim.size >= 0 else None for dim in proto.dim)
