"""Layers with a constant kernel that multiply each channel by a number, as a division by 255 does."""

from __future__ import annotations

from hubcheck.graph.dataflow.constants import Constant

_DEPTHWISE = "DepthwiseConv2dNative"


def channel_factors(op: str, kernel: Constant) -> Constant | None:
    """Return the positive numbers by which a layer multiplies its channels; None if it does anything else.

    Args:
        op: a convolution, a matrix product or an `Einsum`.
        kernel: its constant kernel. One number per channel has the shape [1, 1, channels, 1] in a depthwise
            convolution, else [..., channels, channels] with zeros off the diagonal.
    """
    *ones, rows, columns = (0, 0, *kernel.shape)
    if any(size != 1 for size in ones[2:]) or len(kernel.shape) < 2:
        return None
    if op == _DEPTHWISE:
        factors = kernel.values if columns == 1 else ()
    else:
        factors = kernel.values[:: columns + 1] if rows == columns else ()
        if any(value for number, value in enumerate(kernel.values) if number % (columns + 1)):
            return None
    return Constant((len(factors),), factors) if min(factors, default=0) > 0 else None
