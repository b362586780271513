"""The changes that fix makes to outputs on purpose, and how outputs are compared in spite of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Array = Any


def undone(change: str | None, old: Array, new: Array) -> tuple[Array, Array]:
    """Return an output of the source and that of the result, float64, such that they are equal if all is right.

    Args:
        change: the activation that was removed, or how features were pooled; None for neither.
        old: values of the source's output.
        new: values of the result's output.
    """
    import numpy

    wanted, found = (numpy.asarray(values, numpy.float64) for values in (old, new))
    if change in _POOLS and wanted.ndim == 4:
        wanted = getattr(wanted, _POOLS[change])(axis=(1, 2))
    elif change in _ACTIVATIONS:
        found = _ACTIVATIONS[change](found)
    # [batch, 1, 1, n] has become [batch, n].
    return (wanted.reshape(found.shape) if wanted.size == found.size else wanted), found


def _softmax(scores: Any) -> Any:
    import numpy

    powers = numpy.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def _log_softmax(scores: Any) -> Any:
    import numpy

    shifted = scores - scores.max(axis=-1, keepdims=True)
    return shifted - numpy.log(numpy.exp(shifted).sum(axis=-1, keepdims=True))


def _sigmoid(scores: Any) -> Any:
    import numpy

    return 1 / (1 + numpy.exp(-scores))


_ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "softmax": _softmax,
    "log_softmax": _log_softmax,
    "sigmoid": _sigmoid,
}
_POOLS = {"average": "mean", "max": "max"}
