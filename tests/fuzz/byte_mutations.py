"""Small changes to bytes, as by disks, networks and attackers."""

from __future__ import annotations

import random

_TELLING = (b"\x00", b"\xff", b"\x80", b"\x7f", b"\xff\xff\xff\xff", b"\xff\xff\xff\xff\x0f", b"\xff" * 9 + b"\x01")
"""Boundary values of integers and varints."""


def mutated(rng: random.Random, data: bytes, *, other: bytes = b"") -> bytes:
    """Return the bytes with one to four changes; pieces are copied from `other`, a file of the same kind."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        _change(rng, out, other or data)
    return bytes(out)


def _change(rng: random.Random, out: bytearray, other: bytes) -> None:
    at = rng.randrange(len(out) + 1)
    end = min(len(out), at + rng.choice((1, 2, 4, 16, 256)))
    match rng.randrange(8):
        case 0 if at < len(out):
            out[at] ^= 1 << rng.randrange(8)
        case 1 if at < len(out):
            out[at] = rng.randrange(256)
        case 2:
            del out[at:end]
        case 3:
            out[at:at] = out[at:end] * rng.choice((1, 1, 50))
        case 4:
            out[at:end] = rng.choice(_TELLING)
        case 5:
            start = rng.randrange(len(other) + 1)
            out[at:end] = other[start : start + rng.choice((1, 8, 64, 1024))]
        case 6:
            del out[at:]
        case _:
            out[at:at] = rng.randbytes(rng.choice((1, 4, 32)))
