"""Axes over which a value is averaged on its way to the output, carried back through ops that move them."""

from __future__ import annotations

from hubcheck.graph.dataflow.frame import Value
from hubcheck.graph.dataflow.inlining import InlinedGraph
from hubcheck.graph.dataflow.shapes import Dims, shape
from hubcheck.graph.op_tables.elementwise import SAME_AXES

Axes = tuple[int, ...]
"""Positions of axes, counted from the front."""

NONE: Axes = ()


def reduced(graph: InlinedGraph, value: Value, axes: Axes) -> Axes | None:
    """The axes of a reduction's input that it and what follows average over, those of size 1 aside.

    Args:
        value: the result of a Mean, Sum, Max or Min.
        axes: those that what follows averages the result over.

    Returns:
        None where the graph does not tell.
    """
    frame, node, _ = value
    inputs = frame.inputs(node)
    dims = shape(graph, inputs[0]) if len(inputs) == 2 else None
    over = graph.constant(inputs[1]) if dims is not None else None
    if dims is None or over is None:
        return None
    own = {int(axis) % len(dims) for axis in over.values} if dims else set()
    keeps = frame.body.attribute(node, "keep_dims")
    left = [axis for axis in range(len(dims)) if (keeps is not None and keeps.b) or axis not in own]
    if any(axis >= len(left) for axis in axes):
        return None
    return tuple(sorted({axis for axis in own if dims[axis] != 1} | {left[axis] for axis in axes}))


def moved(graph: InlinedGraph, value: Value, axes: Axes) -> Axes | None:
    """Where the axes of a move's result are in its input; None if they cannot be told apart there."""
    frame, node, _ = value
    op = frame.op(node)
    if not axes or op in SAME_AXES:
        return axes
    inputs = frame.inputs(node)
    match op:
        case "Transpose" | "ConjugateTranspose":
            order = graph.constant(inputs[1]) if len(inputs) == 2 else None
            if order is None or max(axes) >= len(order.values):
                return None
            return tuple(sorted(int(order.values[axis]) for axis in axes))
        case "ExpandDims" if len(inputs) == 2:
            added, dims = graph.constant(inputs[1]), shape(graph, value)
            if added is None or added.scalar is None or not dims:
                return None
            new = int(added.scalar) % len(dims)
            return tuple(axis - (axis > new) for axis in axes if axis != new)
        case "Squeeze" if inputs:
            return _unsqueezed(shape(graph, inputs[0]), frame.body.attribute(node, "squeeze_dims"), axes)
        case "StridedSlice":
            masks = (frame.body.attribute(node, f"{name}_mask") for name in ("new_axis", "shrink_axis", "ellipsis"))
            return axes if not any(mask is not None and mask.i for mask in masks) else None
        case "BroadcastTo" if inputs:
            before, after = shape(graph, inputs[0]), shape(graph, value)
            return axes if before is not None and after is not None and len(before) == len(after) else None
        case _:
            return None


def _unsqueezed(dims: Dims | None, attribute: object, axes: Axes) -> Axes | None:
    """Axes of a Squeeze's result, in its input."""
    if dims is None:
        return None
    listed = list(attribute.list.i) if attribute is not None else []  # type: ignore[attr-defined]
    if not listed and None in dims:
        return None
    gone = {axis % len(dims) for axis in listed} or {axis for axis, size in enumerate(dims) if size == 1}
    left = [axis for axis in range(len(dims)) if axis not in gone]
    return tuple(left[axis] for axis in axes) if all(axis < len(left) for axis in axes) else None
