"""Writing checkpoint indexes with valid checksums, so that damaged entries reach the reader."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from hubcheck.module import leveldb_table


def written(entries: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return a table of one block with these keys and values, in the order given."""
    data = _block(b"".join(_entry(key, value) for key, value in entries))
    index = _block(_entry(b"\xff", _varint(0) + _varint(len(data) - 5)))
    footer = _varint(len(data)) + _varint(len(index) - 5)
    handles = (_varint(0) + _varint(0) + footer).ljust(40, b"\0")
    return data + index + handles + struct.pack("<Q", 0xDB4775248B80FB57)


def sealed(data: bytes) -> bytes:
    """Return a damaged table with valid checksums for the blocks that its index block names."""
    out = bytearray(data)
    try:
        index = leveldb_table.index_handle(data)
        _seal(out, index)
        block = leveldb_table.read_block(bytes(out), index, max_bytes=1 << 26)
        for _, value in leveldb_table.block_entries(block):
            _seal(out, leveldb_table.read_handle(value, 0)[0])
    except (leveldb_table.TableError, struct.error, IndexError):
        pass
    return bytes(out)


def _seal(out: bytearray, handle: tuple[int, int]) -> None:
    offset, size = handle
    end = offset + size
    if end + 5 <= len(out):
        struct.pack_into("<I", out, end + 1, leveldb_table.masked_crc32c(bytes(out[offset : end + 1])))


def _entry(key: bytes, value: bytes) -> bytes:
    return _varint(0) + _varint(len(key)) + _varint(len(value)) + key + value


def _block(entries: bytes) -> bytes:
    body = entries + struct.pack("<II", 0, 1) + b"\0"
    return body + struct.pack("<I", leveldb_table.masked_crc32c(body))


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def repeated(data: bytes, times: int) -> bytes:
    """Return a table of one block that its index names many times."""
    offset, _ = leveldb_table.index_handle(data)
    block = data[:offset]
    index = _block(b"".join(_entry(b"%06d" % i, _varint(0) + _varint(offset - 5)) for i in range(times)))
    handles = _varint(0) + _varint(0) + _varint(offset) + _varint(len(index) - 5)
    return block + index + handles.ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57)
