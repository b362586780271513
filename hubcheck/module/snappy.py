"""Snappy's raw format, in which the blocks of some checkpoint indexes are compressed.

Source: google/snappy, format_description.txt.
"""

from __future__ import annotations


class SnappyError(ValueError):
    """The bytes are not a Snappy stream."""


def decompress(data: bytes, max_bytes: int) -> bytes:
    """Return the decompressed bytes.

    Args:
        data: the stream.
        max_bytes: how many bytes its header may declare.

    Raises:
        SnappyError: the stream is truncated, refers to missing bytes, or declares too many.
    """
    try:
        length, position = _length(data, max_bytes)
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
                # The copy may overlap the bytes it writes, which repeats them.
                piece = bytes(out[len(out) - offset : len(out) - offset + size])
                out += (piece * (size // len(piece) + 1))[:size]
            if len(out) > length:
                break
    except IndexError:
        raise SnappyError("the stream is truncated") from None
    if len(out) != length:
        raise SnappyError("the stream has fewer or more bytes than its header says")
    return bytes(out)


def _length(data: bytes, max_bytes: int) -> tuple[int, int]:
    result = 0
    for position in range(5):
        byte = data[position]
        result |= (byte & 0x7F) << (7 * position)
        if byte < 0x80:
            if result > max_bytes:
                break
            return result, position + 1
    raise SnappyError("the stream declares more bytes than a block can have")


def _copy(data: bytes, tag: int, position: int) -> tuple[int, int, int]:
    if tag & 3 == 1:
        return ((tag >> 2) & 7) + 4, (tag >> 5) << 8 | data[position], position + 1
    width = 2 if tag & 3 == 2 else 4
    offset = int.from_bytes(data[position : position + width], "little")
    return (tag >> 2) + 1, offset, position + width
