"""Comparing results. Differences are relative, because outputs of an untrained network can be as small as 1e-11."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


def difference(
    one: np.ndarray[Any, Any], other: np.ndarray[Any, Any], *, beside: np.ndarray[Any, Any] | None = None
) -> float:
    """Return the largest difference between two arrays of one shape, relative to the largest absolute value.

    The largest value is looked for in both, and in `beside`, if given: the output that they are parts of. Equal
    infinities, and NaNs at the same positions, do not differ; others differ infinitely.

    Returns:
        A number from 0 to 2, or inf.

    Raises:
        ValueError: the shapes differ.
    """
    import numpy

    a, b = numpy.asarray(one, numpy.float64), numpy.asarray(other, numpy.float64)
    if a.shape != b.shape:
        raise ValueError(f"shapes differ: {a.shape} and {b.shape}")
    same = (a == b) | (numpy.isnan(a) & numpy.isnan(b))
    if same.all():
        return 0.0
    finite = numpy.isfinite(a) & numpy.isfinite(b)
    if not (finite | same).all():
        return float("inf")
    scale = max(numpy.abs(a[finite]).max(), numpy.abs(b[finite]).max())
    if beside is not None:
        scale = max(scale, numpy.abs(beside[numpy.isfinite(beside)]).max(initial=0))
    return float(numpy.abs(a[~same] - b[~same]).max() / scale)


def percent(share: float) -> str:
    """Format a share: "34 %", "0.01 %"."""
    if share == float("inf"):
        return "more than 100 %"
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.0f} %"
