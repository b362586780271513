"""The index of a V2 checkpoint, the object graph in TF2 checkpoints, and the bytes of small tensors.

Source: tensorflow/core/util/tensor_bundle/tensor_bundle.cc and naming.cc; trackable_object_graph.proto; for slices of
partitioned variables, util/saved_tensor_slice_util.cc (EncodeTensorNameSlice), lib/strings/ordered_code.cc,
tensor_slice.cc, and util/tensor_slice_set.cc (QueryMeta) for what a restore needs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

from hubcheck.module import leveldb_table
from hubcheck.module.dtypes import dtype_name
from hubcheck.module.field_count import parse_within
from hubcheck.module.from_proto import shape
from hubcheck.module.limits import LIMITS, LimitExceeded, ReadLimits, read_file, read_within
from hubcheck.module.module_files import ModuleFiles
from hubcheck.module.proto import DecodeError, parse
from hubcheck.module.tensors import Checkpoint, CheckpointEntry, Shape, Slice
from hubcheck.module.types import Module

OBJECT_GRAPH_KEY = "_CHECKPOINTABLE_OBJECT_GRAPH"
MAX_STORED_BYTES = 1 << 15
"""The size of the largest tensor whose bytes are read, besides the object graph."""
_MAX_COMPARISONS = 1_000_000
_SIGNED_HEADERS = (0x0, 0x8000, 0xC000, 0xE000, 0xF000, 0xF800, 0xFC00, 0xFE00, 0xFF00, 0xFF80, 0xFFC0)
"""By length of the encoded number, in bytes."""


class CheckpointError(ValueError):
    """The index cannot be read; the message says why."""


def shard_name(prefix: str, shard: int, shards: int) -> str:
    """Return TensorFlow's name of a data file: `variables.data-00000-of-00001`."""
    return f"{prefix}.data-{shard:05d}-of-{shards:05d}"


def read_index(file: Path, limits: ReadLimits = LIMITS) -> Checkpoint:
    """Read the names, dtypes, shapes and positions of all tensors, but not the weights.

    Raises:
        CheckpointError: the file is not a checkpoint index, or is damaged.
        LimitExceeded: it is too large, or has too many tensors.
        OSError: it cannot be opened.
    """
    shards = 1
    protos: dict[bytes, Any] = {}
    limit = limits.limit("index_bytes")
    try:
        for key, value in leveldb_table.entries(read_within(file, limit), limit):
            if not key:
                shards = parse("BundleHeaderProto", value).num_shards
                continue
            if len(protos) >= limits.tensors:
                raise LimitExceeded(limits.limit("tensors"), "tensors are in it")
            protos[key] = parse("BundleEntryProto", value)
    except leveldb_table.TableError as error:
        raise CheckpointError(str(error)) from None
    except DecodeError:
        raise CheckpointError("an entry is not a BundleEntryProto") from None
    if sum(len(proto.slices) for proto in protos.values()) > limits.tensors:
        raise LimitExceeded(limits.limit("tensors"), "slices of tensors are in it")
    entries = {
        name.decode("utf-8", "backslashreplace"): _entry(name, proto, protos)
        for name, proto in protos.items()
        if not name.startswith(b"\0")
    }
    return Checkpoint(entries, shards)


def _entry(name: bytes, proto: Any, protos: Mapping[bytes, Any]) -> CheckpointEntry:
    whole = _whole(proto)
    if not proto.slices:
        return whole
    slices = []
    for part in proto.slices:
        stored = protos.get(_slice_key(name, part))
        slices.append((_slice_of(part, whole.shape), None if stored is None else _whole(stored)))
    return whole._replace(slices=tuple(slices), size=sum(part.size for _, part in slices if part is not None))


def _whole(proto: Any) -> CheckpointEntry:
    return CheckpointEntry(
        dtype_name(proto.dtype), shape(proto.shape), proto.shard_id, proto.offset, proto.size, proto.crc32c
    )


def _slice_of(proto: Any, shape: Shape) -> Slice:
    """Convert a TensorSliceProto; an extent without length is the whole dimension."""
    sizes = zip_longest(proto.extent, (shape.dims or ())[: len(proto.extent)])
    return tuple((e.start, e.length) if e.HasField("length") else (0, size or 0) for e, size in sizes)


def _slice_key(name: bytes, proto: Any) -> bytes:
    """Return the key in the checkpoint's index of a part of a variable, a TensorSliceProto."""
    key = b"\0" + name.replace(b"\xff", b"\xff\0").replace(b"\0", b"\0\xff") + b"\0\1" + _unsigned(len(proto.extent))
    for extent in proto.extent:
        whole = not extent.HasField("length")
        key += _signed(0 if whole else extent.start) + _signed(-1 if whole else extent.length)
    return key


def _unsigned(number: int) -> bytes:
    length = (number.bit_length() + 7) // 8
    return bytes([length]) + number.to_bytes(length, "big")


def _signed(number: int) -> bytes:
    length = (~number if number < 0 else number).bit_length() // 7 + 1
    data = bytearray(number.to_bytes(10, "big", signed=True)[-length:])
    for i, byte in enumerate(_SIGNED_HEADERS[length].to_bytes(2, "big")[:length]):
        data[i] ^= byte
    return bytes(data)


def uncovered(wanted: Iterable[Slice], stored: Iterable[Slice]) -> list[Slice]:
    """Return which of the wanted slices the stored ones do not cover. Stored slices do not overlap."""
    there = set(stored)
    missing = [part for part in wanted if part not in there]
    if len(missing) * len(there) > _MAX_COMPARISONS:
        return []
    return [part for part in missing if sum(_overlap(part, other) for other in there) < _overlap(part, part)]


def _overlap(one: Slice, other: Slice) -> int:
    if len(one) != len(other):
        return 0
    return math.prod(max(0, min(a + m, b + n) - max(a, b)) for (a, m), (b, n) in zip(one, other, strict=True))


def read_object_graph(checkpoint: Checkpoint, files: ModuleFiles, limits: ReadLimits = LIMITS) -> Any | None:
    """Return the TrackableObjectGraph of a module's TF2 checkpoint, or None if there is none or it is damaged.

    It is stored as a scalar string: a varint of its length, four bytes of checksum, its bytes.

    Raises:
        LimitExceeded: it is too large.
    """
    entry = checkpoint.entries.get(OBJECT_GRAPH_KEY)
    if entry is None or entry.size <= 0:
        return None
    limit = limits.limit("object_graph_bytes")
    if entry.size > limit.value:
        raise LimitExceeded(limit, "bytes are in the object graph")
    try:
        shard = files.path(f"variables/{shard_name('variables', entry.shard, checkpoint.shards)}")
        stored = read_file(shard, offset=entry.offset, size=entry.size)
        start = next(i for i, byte in enumerate(stored) if byte < 0x80) + 1 + 4
        return parse_within("TrackableObjectGraph", stored[start:], limits)
    except LimitExceeded:
        raise
    except (OSError, OverflowError, ValueError, StopIteration, DecodeError):
        return None


def stored_bytes(module: Module, entry: CheckpointEntry) -> bytes | None:
    """Return a tensor as it is stored; None if it is large, is partitioned, or its file is not there.

    Small tensors are all that a static check reads of the weights; modules on servers come without them.
    """
    if module.files_at is None or module.checkpoint is None or entry.slices or not 0 < entry.size <= MAX_STORED_BYTES:
        return None
    shard = shard_name("variables", entry.shard, module.checkpoint.shards)
    try:
        content = read_file(module.files_at.path(f"variables/{shard}"), offset=entry.offset, size=entry.size)
    except (OSError, OverflowError, ValueError):
        return None
    return content if len(content) == entry.size else None
