"""Snappy's raw format, in which some checkpoint indexes keep their blocks.

Source: google/snappy, format_description.txt.
"""

from __future__ import annotations


class SnappyError(ValueError):
    """The bytes are not a snappy stream."""


def decompress(data: bytes, largest: int) -> bytes:
    """The uncompressed bytes.

    Args:
        data: the stream.
        largest: the most bytes to believe its header.

    Raises:
        SnappyError: the stream is cut off, refers to what is not there, or promises too much.
    """
    try:
        length, position = _length(data, largest)
        out = bytearray()
        while position < len(data):
            tag = data[position]
            position += 1
            if tag & 3 == 0:
                size = (tag >> 2) + 1
                if size > 60:
                    extra = size - 60
                    size = int.from_bytes(data[position : position + extra], "little") + 1
                    position += extra
                out += data[position : position + size]
                position += size
            else:
                size, offset, position = _copy(data, tag, position)
                if not 0 < offset <= len(out):
                    raise SnappyError("a copy refers to bytes before the start")
                # What is copied may overlap what is written: then it repeats.
                piece = bytes(out[len(out) - offset : len(out) - offset + size])
                out += (piece * (size // len(piece) + 1))[:size]
            if len(out) > length:
                break
    except IndexError:
        raise SnappyError("the stream is cut off") from None
    if len(out) != length:
        raise SnappyError("the stream does not give as many bytes as it says")
    return bytes(out)


def _length(data: bytes, largest: int) -> tuple[int, int]:
    result = 0
    for position in range(5):
        byte = data[position]
        result |= (byte & 0x7F) << (7 * position)
        if byte < 0x80:
            if result > largest:
                break
            return result, position + 1
    raise SnappyError("the stream promises more bytes than a block can have")


def _copy(data: bytes, tag: int, position: int) -> tuple[int, int, int]:
    if tag & 3 == 1:
        return ((tag >> 2) & 7) + 4, (tag >> 5) << 8 | data[position], position + 1
    width = 2 if tag & 3 == 2 else 4
    offset = int.from_bytes(data[position : position + width], "little")
    return (tag >> 2) + 1, offset, position + width
