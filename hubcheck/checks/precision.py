"""How much of a difference rounding makes: networks compute in half precision, too, and give float32."""

from __future__ import annotations

from hubcheck.checks.context import Context
from hubcheck.checks.graphs import view_of

_COARSE = {14: 2.0**-8, 19: 2.0**-11}
"""bfloat16 and half, by their enum numbers: the distance from 1 to the next number, halved."""
_ROUNDINGS = 8
"""Layers whose roundings add up; tiny kernels that add in another order differ by that much."""


def tolerance(context: Context, usual: float) -> float:
    """A tolerance for float32, or a wider one if the module computes in a coarser type on its way."""
    key = "coarsest type"
    if key not in context.memo:
        context.memo[key] = _coarsest(context)
    return max(usual, _ROUNDINGS * float(context.memo[key]))


def _coarsest(context: Context) -> float:
    variant = context.module.inference
    if variant is None:
        return 0.0
    view = view_of(context, variant)
    bodies = [view.main, *(body for name in view.functions if (body := view.function(name)) is not None)]
    kinds = {
        found.type for body in bodies for node in range(len(body)) if (found := body.attribute(node, "T")) is not None
    }
    return max((_COARSE.get(kind, 0.0) for kind in kinds), default=0.0)
