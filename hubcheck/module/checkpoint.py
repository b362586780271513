"""The index of a V2 checkpoint, the object graph in TF2 checkpoints, and the bytes of small tensors.

Source: tensorflow/core/util/tensor_bundle/tensor_bundle.cc and naming.cc; trackable_object_graph.proto.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hubcheck.module import leveldb_table
from hubcheck.module.bounded_read import read_file, read_within
from hubcheck.module.dtypes import dtype_name
from hubcheck.module.field_count import check_fields
from hubcheck.module.from_proto import shape
from hubcheck.module.limits import LIMITS, LimitExceeded, ReadLimits
from hubcheck.module.proto import DecodeError, parse
from hubcheck.module.tensor_slices import slice_key, slice_of
from hubcheck.module.types import Checkpoint, CheckpointEntry, Module

OBJECT_GRAPH_KEY = "_CHECKPOINTABLE_OBJECT_GRAPH"


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
    static = shape(proto.shape)
    slices = []
    for part in proto.slices:
        stored = protos.get(slice_key(name, part))
        slices.append((slice_of(part, static), None if stored is None else _whole(stored)))
    whole = _whole(proto)
    return whole._replace(
        slices=tuple(slices), size=sum(part.size for _, part in slices if part is not None) if slices else whole.size
    )


def _whole(proto: Any) -> CheckpointEntry:
    return CheckpointEntry(
        dtype_name(proto.dtype), shape(proto.shape), proto.shard_id, proto.offset, proto.size, proto.crc32c
    )


def read_object_graph(checkpoint: Checkpoint, folder: Path, prefix: str, limits: ReadLimits = LIMITS) -> Any | None:
    """Return the TrackableObjectGraph of a TF2 checkpoint, or None if there is none or it is damaged.

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
        stored = read_file(
            folder / shard_name(prefix, entry.shard, checkpoint.shards), offset=entry.offset, size=entry.size
        )
        start = next(i for i, byte in enumerate(stored) if byte < 0x80) + 1 + 4
        message = stored[start:]
        check_fields("TrackableObjectGraph", message, limits)
        return parse("TrackableObjectGraph", message)
    except LimitExceeded:
        raise
    except (OSError, OverflowError, ValueError, StopIteration, DecodeError):
        return None


def stored_bytes(module: Module, entry: CheckpointEntry, *, most: int) -> bytes | None:
    """Return a tensor as it is stored; None if it has more than `most` bytes, is partitioned, or its file is not there.

    Small tensors are all that a static check reads of the weights; archives and modules on servers come without them.
    """
    if module.opened_at is None or module.checkpoint is None or entry.slices or not 0 < entry.size <= most:
        return None
    file = module.opened_at / "variables" / shard_name("variables", entry.shard, module.checkpoint.shards)
    try:
        content = read_file(file, offset=entry.offset, size=entry.size)
    except (OSError, OverflowError, ValueError):
        return None
    return content if len(content) == entry.size else None
