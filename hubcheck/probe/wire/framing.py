"""Frames between hubcheck and a worker: JSON and npy arrays of bounded size, without pickle.

A frame consists of two big-endian 32-bit lengths, a JSON object and the bytes of at most one npy array. Frames from a
worker are hostile input, because the module may have taken over the worker.
"""

from __future__ import annotations

import io
import json
import math
import struct
from collections.abc import Iterator, Mapping
from typing import Any

_HEADER = struct.Struct(">II")
MAX_JSON = 1 << 20
MAX_ARRAY = 1 << 26
MAX_TOTAL = 1 << 30
"""Maximal bytes of one JSON object, of one array, and of all frames of one worker."""


class BadFrame(ValueError):
    """The bytes are not a valid frame, or not one that is expected here."""


def encode(message: Mapping[str, Any], array: Any = None) -> bytes:
    """Return a frame with a message and, if given, a numpy array of numbers."""
    text = json.dumps(message).encode()
    data = b""
    if array is not None:
        import numpy

        buffer = io.BytesIO()
        numpy.lib.format.write_array(buffer, numpy.asarray(array, order="C"), version=(1, 0), allow_pickle=False)
        data = buffer.getvalue()
    return _HEADER.pack(len(text), len(data)) + text + data


class Decoder:
    """Splits a stream of bytes into frames.

    Raises (from `feed`):
        BadFrame: a length is out of bounds, or a message is not a JSON object.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._total = 0

    def feed(self, data: bytes) -> Iterator[tuple[dict[str, Any], bytes]]:
        """Add bytes to the stream and yield the frames that are complete: the message and the array's bytes."""
        self._buffer += data
        self._total += len(data)
        if self._total > MAX_TOTAL:
            raise BadFrame("the worker sent too many bytes")
        while len(self._buffer) >= _HEADER.size:
            json_size, array_size = _HEADER.unpack_from(self._buffer)
            if json_size > MAX_JSON or array_size > MAX_ARRAY:
                raise BadFrame("the frame is too large")
            end = _HEADER.size + json_size + array_size
            if len(self._buffer) < end:
                return
            text = bytes(self._buffer[_HEADER.size : _HEADER.size + json_size])
            array = bytes(self._buffer[_HEADER.size + json_size : end])
            del self._buffer[:end]
            yield _object(text), array


def decode_array(data: bytes) -> Any:
    """Return the numpy array of numbers or bools in npy bytes.

    Raises:
        BadFrame: the bytes are not such an array.
    """
    import numpy

    stream = io.BytesIO(data)
    try:
        if numpy.lib.format.read_magic(stream) != (1, 0):
            raise BadFrame("workers write npy version 1.0 only")
        shape, fortran, dtype = numpy.lib.format.read_array_header_1_0(stream, max_header_size=1000)
    except BadFrame:
        raise
    except Exception as error:  # hostile bytes: numpy's parser may raise anything
        raise BadFrame(f"not an npy array: {type(error).__name__}") from None
    if dtype.kind not in "biufc" or dtype.hasobject or fortran or len(shape) > 16 or any(dim < 0 for dim in shape):
        raise BadFrame("workers do not write such arrays")
    body = data[stream.tell() :]
    if math.prod(map(int, shape)) * dtype.itemsize != len(body):
        raise BadFrame("the array's size does not match its shape")
    return numpy.frombuffer(body, dtype).reshape(shape)


def _object(text: bytes) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise BadFrame("not JSON") from None
    if not isinstance(value, dict):
        raise BadFrame("not a JSON object")
    return value
