"""A module whose checkpoint index has any number of entries."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from pathlib import Path

from hubcheck.module.leveldb_table import masked_crc32c
from hubcheck.module.proto import message_class
from tests.benchmarks.large_graphs import deep

_BLOCK_BYTES = 4096
_RESTART_INTERVAL = 16
_MAGIC = 0xDB4775248B80FB57
_TENSOR_BYTES = 36


def write_index(folder: Path, size: int) -> None:
    """Write a module of a small graph, and a checkpoint of `size` tensors with sparse weights."""
    deep(folder, 100)
    variables = folder / "variables"
    variables.mkdir()
    (variables / "variables.index").write_bytes(_table(_entries(size)))
    with (variables / "variables.data-00000-of-00001").open("wb") as weights:
        os.truncate(weights.fileno(), size * _TENSOR_BYTES)


def _entries(size: int) -> Iterable[tuple[bytes, bytes]]:
    yield b"", message_class("BundleHeaderProto")(num_shards=1).SerializeToString()
    entry = message_class("BundleEntryProto")(dtype=1, size=_TENSOR_BYTES)
    for length in (3, 3):
        entry.shape.dim.add(size=length)
    for number in range(size):
        entry.offset, entry.crc32c = number * _TENSOR_BYTES, number
        yield f"layer_{number:07}/kernel".encode(), entry.SerializeToString()


def _table(rows: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return a table in LevelDB's format; see hubcheck/module/leveldb_table.py."""
    out, index = bytearray(), list[tuple[bytes, bytes]]()
    block, last = list[tuple[bytes, bytes]](), b""

    def flush() -> None:
        if block:
            index.append((last, b"".join(map(_varint, _append(out, block)))))
            block.clear()

    for key, value in rows:
        block.append((key, value))
        last = key
        if sum(len(key) + len(value) for key, value in block) >= _BLOCK_BYTES:
            flush()
    flush()
    handles = (*_append(out, []), *_append(out, index))
    return bytes(out + b"".join(map(_varint, handles)).ljust(40, b"\0") + struct.pack("<Q", _MAGIC))


def _append(out: bytearray, rows: list[tuple[bytes, bytes]]) -> tuple[int, int]:
    """Append a block with its compression and checksum; return its offset and size."""
    data, restarts, last = bytearray(), list[int](), b""
    for number, (key, value) in enumerate(rows):
        shared = 0
        if number % _RESTART_INTERVAL == 0:
            restarts.append(len(data))
        else:
            shared = next(i for i in range(len(key) + 1) if last[: i + 1] != key[: i + 1])
        data += _varint(shared) + _varint(len(key) - shared) + _varint(len(value)) + key[shared:] + value
        last = key
    restarts = restarts or [0]
    data += struct.pack(f"<{len(restarts) + 1}I", *restarts, len(restarts)) + b"\0"
    handle = len(out), len(data) - 1
    out += data + struct.pack("<I", masked_crc32c(bytes(data)))
    return handle


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])
