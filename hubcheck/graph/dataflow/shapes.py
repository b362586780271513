"""Static shapes as the graph states them; nothing is inferred."""

from __future__ import annotations

from typing import Any

from hubcheck.graph.dataflow.body import ARGUMENT
from hubcheck.graph.dataflow.frame import MAX_CHAIN, Value
from hubcheck.graph.dataflow.inlining import InlinedGraph

Dims = tuple[int | None, ...]


def shape(graph: InlinedGraph, value: Value) -> Dims | None:
    """Return the dimensions of a value, each None if it is unknown; None if even the rank is unknown."""
    for _ in range(MAX_CHAIN):
        frame, node, number = value
        stated = _argument(frame.body.proto, node) if frame.op(node) == ARGUMENT else _stated(frame.body, node, number)
        if stated is not None:
            return stated
        originals = graph.originals(value)
        if not originals:
            return None
        value = originals[0]
    return None


def is_full(operand: Dims | None, result: Dims | None) -> bool:
    """Return whether an operand is not broadcast to the result's shape; an unknown shape counts as not broadcast."""
    if operand is None or result is None:
        return True
    if len(operand) < len(result):
        return all(size == 1 for size in result[: len(result) - len(operand)])
    return all(size != 1 or full == 1 for size, full in zip(operand[::-1], result[::-1], strict=False))


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
