"""Axes over which a value is averaged on its way to the output, carried back through ops that move them."""

from __future__ import annotations

from typing import Any

from hubcheck.graph.dataflow.frame import Value
from hubcheck.graph.dataflow.inlining import InlinedGraph
from hubcheck.graph.dataflow.shapes import Dims, shape
from hubcheck.graph.op_tables.elementwise import SAME_AXES

Axes = tuple[int, ...]
"""Positions of axes, counted from the front."""


def before_reduction(graph: InlinedGraph, value: Value, axes: Axes) -> Axes | None:
    """Return the axes of a reduction's input that it and later ops average over, those of size 1 aside.

    `value` is the result of a Mean, Sum, Max or Min, `axes` are those of it that later ops average over. The result is
    None where the graph does not say.
    """
    frame, node, _ = value
    inputs = frame.inputs(node)
    dims = shape(graph, inputs[0]) if len(inputs) == 2 else None
    over = graph.constant(inputs[1]) if dims is not None else None
    if dims is None or over is None:
        return None
    own = {int(axis) % len(dims) for axis in over.values} if dims else set()
    keep_dims = frame.body.attribute(node, "keep_dims")
    left = [axis for axis in range(len(dims)) if (keep_dims is not None and keep_dims.b) or axis not in own]
    if any(axis >= len(left) for axis in axes):
        return None
    return tuple(sorted({axis for axis in own if dims[axis] != 1} | {left[axis] for axis in axes}))


def before_move(graph: InlinedGraph, value: Value, axes: Axes) -> Axes | None:
    """Return where axes of the result of one of elementwise.MOVES are in its input; None if that cannot be told."""
    frame, node, _ = value
    op, inputs = frame.op(node), frame.inputs(node)
    if not axes or op in SAME_AXES:
        return axes
    match op:
        case "Transpose" | "ConjugateTranspose":
            order = graph.constant(inputs[1]) if len(inputs) == 2 else None
            if order is None or max(axes) >= len(order.values):
                return None
            return tuple(sorted(int(order.values[axis]) for axis in axes))
        case "ExpandDims" if len(inputs) == 2:
            added, dims = graph.scalar(inputs[1]), shape(graph, value)
            if added is None or not dims:
                return None
            new = int(added) % len(dims)
            return tuple(axis - (axis > new) for axis in axes if axis != new)
        case "Squeeze" if inputs:
            return _before_squeeze(shape(graph, inputs[0]), frame.body.attribute(node, "squeeze_dims"), axes)
        case "StridedSlice":
            masks = (frame.body.attribute(node, f"{name}_mask") for name in ("new_axis", "shrink_axis", "ellipsis"))
            return axes if not any(mask is not None and mask.i for mask in masks) else None
        case "BroadcastTo" if inputs:
            before, after = shape(graph, inputs[0]), shape(graph, value)
            return axes if before is not None and after is not None and len(before) == len(after) else None
        case _:
            return None


def _before_squeeze(dims: Dims | None, squeezed: Any | None, axes: Axes) -> Axes | None:
    if dims is None:
        return None
    listed = list(squeezed.list.i) if squeezed is not None else []
    if not listed and None in dims:
        return None
    removed = {axis % len(dims) for axis in listed} or {axis for axis, size in enumerate(dims) if size == 1}
    left = [axis for axis in range(len(dims)) if axis not in removed]
    return tuple(left[axis] for axis in axes) if all(axis < len(left) for axis in axes) else None
