"""How much of a difference rounding makes: networks compute in half precision, too, and give float32."""

from __future__ import annotations

from hubcheck.checks.context import Context

_COARSE = {14: 2.0**-8, 19: 2.0**-11}
"""bfloat16 and half, by their enum numbers: the distance from 1 to the next number, halved."""
_ROUNDINGS = 8
"""Layers whose roundings add up; tiny kernels that add in another order differ by that much."""


def tolerance(context: Context, usual: float) -> float:
    """A tolerance for float32, or a wider one if the module computes in a coarser type on its way."""
    inference = context.module.inference
    dtypes = context.analysis(inference).dtypes if inference is not None else ()
    return max([usual, *(_ROUNDINGS * _COARSE[dtype] for dtype in dtypes if dtype in _COARSE)])
