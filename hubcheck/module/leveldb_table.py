"""The sorted-table file format of LevelDB, in which TensorFlow keeps checkpoint indexes.

A table is a run of blocks, an index block that points at them, and a footer of 48 bytes. A block is a list of
entries (shared prefix length, rest length, value length, rest, value) and an array of restart points; one
byte of compression (0: none, 1: snappy) and a masked CRC-32C follow it.

Source: tensorflow/core/lib/io/format.cc and table/block.cc; LevelDB's doc/table_format.md.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from hubcheck.module.limits import LIMITS, Limit, LimitExceeded

_DEFAULT_LIMIT = LIMITS.limit("index_bytes")
_MAGIC = 0xDB4775248B80FB57
_FOOTER = 48
_TRAILER = 5
_CRC_MASK = 0xA282EAD8


class TableError(ValueError):
    """The bytes are not such a table, or are damaged; the message says why."""


def entries(data: bytes, limit: Limit = _DEFAULT_LIMIT) -> Iterator[tuple[bytes, bytes]]:
    """Yield the keys and values of a table, in order.

    Raises:
        TableError: the bytes are not a complete, undamaged table.
        LimitExceeded: its blocks have too many bytes; the index can name a block many times.
    """
    if len(data) < _FOOTER or struct.unpack_from("<Q", data, len(data) - 8)[0] != _MAGIC:
        raise TableError("it does not end like a checkpoint index")
    left = limit.value
    for _, value in block_entries(read_block(data, index_handle(data), limit.value)):
        handle, _ = read_handle(value, 0)
        content = read_block(data, handle, limit.value)
        left -= len(content)
        if left < 0:
            raise LimitExceeded(limit, "bytes are in its blocks")
        yield from block_entries(content)


def index_handle(data: bytes) -> tuple[int, int]:
    """Return the offset and the size of the table's index block, as its footer has them."""
    _, position = read_handle(data, len(data) - _FOOTER)
    return read_handle(data, position)[0]


def _varint(data: bytes, position: int) -> tuple[int, int]:
    result = shift = 0
    while shift < 64 and position < len(data):
        byte = data[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, position
        shift += 7
    raise TableError("a number is cut off")


def read_handle(data: bytes, position: int) -> tuple[tuple[int, int], int]:
    """Return a block's offset and size, and the position behind them."""
    offset, position = _varint(data, position)
    size, position = _varint(data, position)
    return (offset, size), position


def read_block(data: bytes, handle: tuple[int, int], max_bytes: int) -> bytes:
    """Return a block, decompressed, after comparing its checksum."""
    offset, size = handle
    end = offset + size
    if end + _TRAILER > len(data) or size < 4:
        raise TableError("a block lies outside the file")
    stored = struct.unpack_from("<I", data, end + 1)[0]
    if stored != masked_crc32c(data[offset : end + 1]):
        raise TableError("a block does not match its checksum")
    if data[end] not in (0, 1):
        raise TableError(f"a block has the unknown compression {data[end]}")
    return decompress(data[offset:end], max_bytes) if data[end] else data[offset:end]


def block_entries(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the keys and values of a block."""
    if len(data) < 4:
        raise TableError("a block is shorter than its header says")
    restarts = struct.unpack_from("<I", data, len(data) - 4)[0]
    limit = len(data) - 4 * (restarts + 1)
    if limit < 0:
        raise TableError("a block is shorter than its header says")
    position, key = 0, b""
    while position < limit:
        shared, position = _varint(data, position)
        rest, position = _varint(data, position)
        length, position = _varint(data, position)
        if shared > len(key) or position + rest + length > limit:
            raise TableError("an entry runs over the end of its block")
        key = key[:shared] + data[position : position + rest]
        position += rest
        yield key, data[position : position + length]
        position += length


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        remainder = byte
        for _ in range(8):
            remainder = (remainder >> 1) ^ (0x82F63B78 if remainder & 1 else 0)
        table.append(remainder)
    return tuple(table)


_CRC_TABLE = _crc_table()


def masked_crc32c(data: bytes) -> int:
    """Return the checksum of a block."""
    crc, table = 0xFFFFFFFF, _CRC_TABLE
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + _CRC_MASK) & 0xFFFFFFFF


def decompress(data: bytes, max_bytes: int) -> bytes:
    """Return the bytes of a stream in Snappy's raw format, whose header may declare `max_bytes`.

    Raises:
        TableError: the stream is truncated, refers to missing bytes, or declares too many.

    Source: google/snappy, format_description.txt.
    """
    length, position = _varint(data, 0)
    if length > max_bytes:
        raise TableError("a compressed block declares more bytes than a block can have")
    try:
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
                    raise TableError("a copy in a compressed block refers to bytes before the start")
                # The copy may overlap the bytes it writes, which repeats them.
                piece = bytes(out[len(out) - offset : len(out) - offset + size])
                out += (piece * (size // len(piece) + 1))[:size]
            if len(out) > length:
                break
    except IndexError:
        raise TableError("a compressed block is truncated") from None
    if len(out) != length:
        raise TableError("a compressed block has fewer or more bytes than its header says")
    return bytes(out)


def _copy(data: bytes, tag: int, position: int) -> tuple[int, int, int]:
    if tag & 3 == 1:
        return ((tag >> 2) & 7) + 4, (tag >> 5) << 8 | data[position], position + 1
    width = 2 if tag & 3 == 2 else 4
    offset = int.from_bytes(data[position : position + width], "little")
    return (tag >> 2) + 1, offset, position + width
