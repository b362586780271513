"""Pictures to feed: made from a name and a seed, the same in a worker and in a replay.

This half names them, without numpy; `feeds.py` paints them.
"""

from __future__ import annotations

VARIED = ("photo-0", "noise-0", "gradient-0", "white", "photo-1", "checks", "noise-1", "photo-2", "gradient-1")
"""Pictures that have nothing in common; the first is a picture of something."""

PLAIN = ("black", "gray", "photo-2")

_NUMBERS = "float16 bfloat16 float32 float64 uint8 uint16 uint32 uint64 int8 int16 int32 int64"
DTYPES = frozenset((*_NUMBERS.split(), "bool", "string"))


def rows(count: int) -> tuple[str, ...]:
    """`count` different pictures: the varied ones, then more noise."""
    more = tuple(f"noise-{number}" for number in range(2, 2 + max(0, count - len(VARIED))))
    return (VARIED + more)[:count]


def can_make(dtype: str) -> bool:
    """Whether a tensor of this dtype can be fed."""
    return dtype in DTYPES
