"""Names of the images that modules are called with. `inputs.py` makes the arrays; this file needs no numpy."""

from __future__ import annotations

VARIED = ("photo-0", "noise-0", "gradient-0", "checks", "photo-1", "noise-1", "photo-2", "gradient-1")
"""Images that have nothing in common, none of them constant; the first is a photograph."""

WITH_CONSTANT = ("noise-0", "black", "white", "photo-0", "gradient-0")
"""What gradients are computed on."""

THREE = ("photo-2", "gradient-1", "noise-1")
"""Images that batches of up to five do not have."""

_NUMBERS = "float16 bfloat16 float32 float64 uint8 uint16 uint32 uint64 int8 int16 int32 int64"
DTYPES = frozenset((*_NUMBERS.split(), "bool", "string"))
"""The dtypes of tensors that can be made."""


def batch(size: int) -> tuple[str, ...]:
    """Return the names of `size` different images: the varied ones, then more noise."""
    more = tuple(f"noise-{number}" for number in range(2, 2 + max(0, size - len(VARIED))))
    return (VARIED + more)[:size]
