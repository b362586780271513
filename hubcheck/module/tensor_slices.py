"""Slices of tensors: how a checkpoint names the parts in which it stores a partitioned variable.

Source: tensorflow/core/util/saved_tensor_slice_util.cc (EncodeTensorNameSlice), lib/strings/ordered_code.cc and
tensor_slice.cc; util/tensor_slice_set.cc (QueryMeta) for what a restore needs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from hubcheck.module.types import Shape, Slice

_MAX_COMPARISONS = 1_000_000
_SIGNED_HEADERS = (0x0, 0x8000, 0xC000, 0xE000, 0xF000, 0xF800, 0xFC00, 0xFE00, 0xFF00, 0xFF80, 0xFFC0)
"""By length of the encoded number, in bytes."""


def slice_of(proto: Any, shape: Shape) -> Slice:
    """Convert a TensorSliceProto; an extent without length is the whole dimension."""
    sizes = shape.dims or ()
    return tuple(
        (extent.start, extent.length)
        if extent.HasField("length")
        else (0, (sizes[axis] or 0) if axis < len(sizes) else 0)
        for axis, extent in enumerate(proto.extent)
    )


def slice_key(name: bytes, proto: Any) -> bytes:
    """Return the key in the checkpoint's index of a part of a variable, a TensorSliceProto."""
    key = b"\0" + name.replace(b"\xff", b"\xff\0").replace(b"\0", b"\0\xff") + b"\0\1" + _unsigned(len(proto.extent))
    for extent in proto.extent:
        whole = not extent.HasField("length")
        key += _signed(0 if whole else extent.start) + _signed(-1 if whole else extent.length)
    return key


def parse_spec(text: str) -> tuple[Shape, Slice | None]:
    """Parse the `shape_and_slices` of a restore op: "8 16 0,4:-" is rows 0 to 3 of shape [8, 16], "" a whole tensor.

    Raises:
        ValueError: it is neither.
    """
    if not text:
        return Shape(None), None
    *sizes, extents = text.split(" ")
    dims = tuple(map(int, sizes))
    parts = extents.split(":")
    if len(parts) != len(dims):
        raise ValueError(text)
    return Shape(dims), tuple(_extent(part, size) for part, size in zip(parts, dims, strict=True))


def _extent(text: str, size: int) -> tuple[int, int]:
    if text == "-":
        return 0, size
    start, length = map(int, text.split(","))
    return start, length


def uncovered(wanted: Iterable[Slice], stored: Iterable[Slice]) -> list[Slice]:
    """Return which of the wanted slices the stored ones do not cover. Stored slices do not overlap."""
    there = set(stored)
    missing = [part for part in wanted if part not in there]
    if len(missing) * len(there) > _MAX_COMPARISONS:
        return []
    return [part for part in missing if sum(_overlap(part, other) for other in there) < _overlap(part, part)]


def _overlap(one: Slice, other: Slice) -> int:
    if len(one) != len(other):
        return 0
    return math.prod(max(0, min(a + m, b + n) - max(a, b)) for (a, m), (b, n) in zip(one, other, strict=True))


def _unsigned(number: int) -> bytes:
    length = (number.bit_length() + 7) // 8
    return bytes([length]) + number.to_bytes(length, "big")


def _signed(number: int) -> bytes:
    length = (~number if number < 0 else number).bit_length() // 7 + 1
    data = bytearray(number.to_bytes(10, "big", signed=True)[-length:])
    for i, byte in enumerate(_SIGNED_HEADERS[length].to_bytes(2, "big")[:length]):
        data[i] ^= byte
    return bytes(data)
