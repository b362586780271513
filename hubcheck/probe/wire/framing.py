"""Frames between hubcheck and a worker: JSON and npy arrays of bounded size, without pickle.

A frame consists of two big-endian 32-bit lengths, a JSON object and the bytes of at most one npy array. Frames from a
worker are hostile input, because the module may have taken over the worker.
"""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Iterator, Mapping
from typing import Any

from hubcheck.probe.wire.strict_json import parse_object

_HEADER = struct.Struct(">II")
MAX_JSON = 1 << 20
MAX_ARRAY = 1 << 26
MAX_TOTAL = 1 << 30
"""Maximal bytes of one JSON object, of one array, and of all frames of one worker."""


class BadFrame(ValueError):
    """The bytes are not a valid frame, or not one that is expected here; the message says why, in a few words."""


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
        self._total += len(data)
        if self._total > MAX_TOTAL:
            raise BadFrame("more bytes than any module has results")
        self._buffer += data
        start = 0
        try:
            while len(self._buffer) - start >= _HEADER.size:
                json_size, array_size = _HEADER.unpack_from(self._buffer, start)
                if json_size > MAX_JSON or array_size > MAX_ARRAY:
                    raise BadFrame("a frame that is too large")
                middle = start + _HEADER.size + json_size
                if len(self._buffer) < middle + array_size:
                    return
                text = bytes(self._buffer[start + _HEADER.size : middle])
                array = bytes(self._buffer[middle : middle + array_size])
                start = middle + array_size
                yield _object(text), array
        finally:
            del self._buffer[:start]  # once for all frames: moving the rest costs time


def _object(text: bytes) -> dict[str, Any]:
    try:
        return parse_object(text)
    except ValueError:
        raise BadFrame("a message that is not a JSON object") from None
