"""Tolerances for rounding: a network with float32 outputs may compute with 16 bits."""

from __future__ import annotations

from hubcheck.checks.context import Context
from hubcheck.probe.tolerances import SIXTEEN_BITS

_SIXTEEN_BITS = frozenset({14, 19})
"""bfloat16 and half, by their enum numbers."""


def tolerance(context: Context, usual: float) -> float:
    """Return the tolerance for float32, or a wider one if the module computes with 16 bits."""
    inference = context.module.inference
    dtypes = context.analysis(inference).dtypes if inference is not None else ()
    return usual if _SIXTEEN_BITS.isdisjoint(dtypes) else max(usual, SIXTEEN_BITS)
