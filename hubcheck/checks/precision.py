"""Tolerances for rounding: a network with float32 outputs may compute in half precision."""

from __future__ import annotations

from hubcheck.checks.context import Context

_COARSE = {14: 2.0**-8, 19: 2.0**-11}
"""bfloat16 and half, by their enum numbers: the distance from 1 to the next number, halved."""
_ROUNDINGS = 8
"""Layers whose rounding errors add up; small kernels that add in another order differ by that much."""


def tolerance(context: Context, usual: float) -> float:
    """Return the tolerance for float32, or a wider one if the module computes in a less precise type."""
    inference = context.module.inference
    dtypes = context.analysis(inference).dtypes if inference is not None else ()
    return max([usual, *(_ROUNDINGS * _COARSE[dtype] for dtype in dtypes if dtype in _COARSE)])
