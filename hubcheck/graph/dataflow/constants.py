"""Small constants: the elements of a TensorProto as Python numbers, without numpy."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any

from hubcheck.util.record import record

Number = bool | int | float

_FORMATS = {1: "f", 2: "d", 3: "i", 4: "B", 5: "h", 6: "b", 9: "q", 10: "?", 14: "H", 17: "H", 19: "e", 22: "I",
            23: "Q"}  # fmt: skip
"""The `struct` format characters of dtypes, by enum number."""
_FIELDS = {1: "float_val", 2: "double_val", 3: "int_val", 4: "int_val", 5: "int_val", 6: "int_val", 9: "int64_val",
           10: "bool_val", 14: "half_val", 17: "int_val", 19: "half_val", 22: "uint32_val",
           23: "uint64_val"}  # fmt: skip
_HALF, _BFLOAT16 = 19, 14
MAX_ELEMENTS = 4096
"""Elements of a constant that is read: conditions, axes and per-channel statistics have fewer."""


@record
class Constant:
    """The shape and the elements, in row-major order, of a small constant."""

    shape: tuple[int, ...]
    values: tuple[Number, ...]

    @property
    def scalar(self) -> Number | None:
        """The only element, None if there are more or none."""
        return self.values[0] if len(self.values) == 1 else None


def read_constant(tensor: Any, *, max_elements: int = MAX_ELEMENTS) -> Constant | None:
    """Return the value of a TensorProto; None if it is large, not numeric, or inconsistent with its own shape."""
    shape = tuple(dim.size for dim in tensor.tensor_shape.dim)
    count = math.prod(shape)
    is_small = count <= max_elements and min(shape, default=0) >= 0
    if tensor.dtype not in _FORMATS or tensor.tensor_shape.unknown_rank or not is_small:
        return None
    if tensor.tensor_content:
        return constant_from_bytes(tensor.dtype, shape, tensor.tensor_content)
    values: Sequence[Number] = getattr(tensor, _FIELDS[tensor.dtype])[:count]
    if tensor.dtype == _HALF:
        values = [struct.unpack("<e", struct.pack("<H", int(value) & 0xFFFF))[0] for value in values]
    values = _decoded(tensor.dtype, values)
    # Trailing elements equal to the last one are omitted; if all are zero, none is written.
    filler: Number = values[-1] if values else 0
    return Constant(shape, (*values, *[filler] * (count - len(values))))


def constant_from_bytes(dtype: int, shape: tuple[int, ...], content: bytes) -> Constant | None:
    """Return the value of a tensor as it is stored, little-endian; None if it is not numeric or has another size."""
    layout = f"<{math.prod(shape)}{_FORMATS[dtype]}" if dtype in _FORMATS else ""
    if not layout or struct.calcsize(layout) != len(content):
        return None
    return Constant(shape, _decoded(dtype, struct.unpack(layout, content)))


def _decoded(dtype: int, values: Sequence[Number]) -> tuple[Number, ...]:
    """Return stored numbers as Python numbers; a bfloat16 is the upper half of a float."""
    if dtype != _BFLOAT16:
        return tuple(values)
    return tuple(struct.unpack("<f", struct.pack("<I", (int(value) & 0xFFFF) << 16))[0] for value in values)
