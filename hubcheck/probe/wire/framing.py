"""Messages between hubcheck and a worker: JSON, and arrays as npy. No pickle, and everything is bounded.

A frame is two big-endian 32-bit lengths, a JSON object, and the bytes of one npy array (or none). What comes
from a worker is hostile input: a module may have taken the worker over.
"""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Iterator, Mapping
from typing import Any

_HEADER = struct.Struct(">II")
MAX_JSON = 1 << 20
MAX_ARRAY = 1 << 26
MAX_TOTAL = 1 << 30
"""Bytes of one JSON object, of one array, and of everything that one worker may send."""


class BadFrame(ValueError):
    """The bytes are no frame."""


def encode(message: Mapping[str, Any], array: Any = None) -> bytes:
    """One frame; `array` is a numpy array of numbers."""
    text = json.dumps(message).encode()
    data = b""
    if array is not None:
        import numpy

        buffer = io.BytesIO()
        numpy.lib.format.write_array(buffer, numpy.asarray(array, order="C"), version=(1, 0), allow_pickle=False)
        data = buffer.getvalue()
    return _HEADER.pack(len(text), len(data)) + text + data


class Decoder:
    """Cuts a stream into frames.

    Raises (from `feed`):
        BadFrame: a length beyond the bounds, or what is no JSON object.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._total = 0

    def feed(self, data: bytes) -> Iterator[tuple[dict[str, Any], bytes]]:
        """The frames that are complete now, as JSON object and the bytes of the array."""
        self._buffer += data
        self._total += len(data)
        if self._total > MAX_TOTAL:
            raise BadFrame("more bytes than any result has")
        while len(self._buffer) >= _HEADER.size:
            json_size, array_size = _HEADER.unpack_from(self._buffer)
            if json_size > MAX_JSON or array_size > MAX_ARRAY:
                raise BadFrame("a frame larger than any result is")
            end = _HEADER.size + json_size + array_size
            if len(self._buffer) < end:
                return
            text = bytes(self._buffer[_HEADER.size : _HEADER.size + json_size])
            array = bytes(self._buffer[_HEADER.size + json_size : end])
            del self._buffer[:end]
            yield _object(text), array


def decode_array(data: bytes) -> Any:
    """The numpy array in npy bytes: numbers or bools, not more of them than there are bytes.

    Raises:
        BadFrame: it is none.
    """
    import numpy

    stream = io.BytesIO(data)
    try:
        if numpy.lib.format.read_magic(stream) != (1, 0):
            raise BadFrame("an npy version that workers do not write")
        shape, fortran, dtype = numpy.lib.format.read_array_header_1_0(stream, max_header_size=1000)
    except BadFrame:
        raise
    except Exception as error:  # numpy's parser meets hostile bytes: it may raise anything
        raise BadFrame(f"no npy array: {type(error).__name__}") from None
    if dtype.kind not in "biufc" or dtype.hasobject or fortran or len(shape) > 16 or any(dim < 0 for dim in shape):
        raise BadFrame("an array that workers do not write")
    body = data[stream.tell() :]
    count = 1
    for dim in shape:
        count *= int(dim)
    if count * dtype.itemsize != len(body):
        raise BadFrame("an array whose size is not what its shape says")
    return numpy.frombuffer(body, dtype).reshape(shape)


def _object(text: bytes) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise BadFrame("no JSON") from None
    if not isinstance(value, dict):
        raise BadFrame("no JSON object")
    return value
