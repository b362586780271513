"""Decode npy arrays of numbers that a worker sends: hostile input."""

from __future__ import annotations

import math
import re
from typing import Any

from hubcheck.probe.wire.framing import BadFrame

_MAGIC = b"\x93NUMPY\x01\x00"
_MAX_HEADER = 1_000
_MAX_ELEMENTS = 1 << 48
"""Elements of an array if its empty axes had one each: numpy refuses shapes that it could not count."""

_HEADER = re.compile(
    rb"\{'descr': '([<|][biuf][1248])', 'fortran_order': False, "
    rb"'shape': \(((?:\d{1,15}, ?){0,16}(?:\d{1,15})?)\), \} *\n"
)
"""As `numpy.lib.format` writes it for numbers and bools in C order. Not evaluated as Python, unlike in numpy."""

_TYPES = frozenset(
    {b"|b1", b"|i1", b"|u1", *(b"<" + kind + size for kind in (b"i", b"u") for size in (b"2", b"4", b"8"))}
    | {b"<f2", b"<f4", b"<f8"}
)


def decode_array(data: bytes) -> Any:
    """Return the numpy array of real numbers or bools in npy bytes.

    Raises:
        BadFrame: the bytes are not such an array.
    """
    import numpy

    size = int.from_bytes(data[8:10], "little")
    header = _HEADER.fullmatch(data[10 : 10 + size]) if data[:8] == _MAGIC and size <= _MAX_HEADER else None
    if header is None or header[1] not in _TYPES:
        raise BadFrame("bytes that are not an array of numbers")
    shape = tuple(int(dim) for dim in header[2].replace(b" ", b"").split(b",") if dim)
    dtype, body = numpy.dtype(header[1].decode()), memoryview(data)[10 + size :]
    if math.prod(max(dim, 1) for dim in shape) > _MAX_ELEMENTS:
        raise BadFrame("an array of an impossible shape")
    if math.prod(shape) * dtype.itemsize != len(body):
        raise BadFrame("an array whose size does not match its shape")
    return numpy.frombuffer(body, dtype).reshape(shape)
