"""The index of a V2 checkpoint, and the object graph in TF2 checkpoints.

Source: tensorflow/core/util/tensor_bundle/tensor_bundle.cc and naming.cc; trackable_object_graph.proto.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hubcheck.module import leveldb_table
from hubcheck.module.bounded_read import read_file, read_within
from hubcheck.module.dtypes import dtype_name
from hubcheck.module.field_count import check_fields
from hubcheck.module.from_proto import shape
from hubcheck.module.limits import LIMITS, LimitExceeded, ReadLimits
from hubcheck.module.proto import DecodeError, parse
from hubcheck.module.types import Checkpoint, CheckpointEntry

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
    entries: dict[str, CheckpointEntry] = {}
    limit = limits.limit("index_bytes")
    try:
        for key, value in leveldb_table.entries(read_within(file, limit), limit):
            if not key:
                shards = parse("BundleHeaderProto", value).num_shards
                continue
            if len(entries) >= limits.tensors:
                raise LimitExceeded(limits.limit("tensors"), "tensors are in it")
            entry = parse("BundleEntryProto", value)
            entries[key.decode("utf-8", "backslashreplace")] = CheckpointEntry(
                dtype=dtype_name(entry.dtype),
                shape=shape(entry.shape),
                shard=entry.shard_id,
                offset=entry.offset,
                size=entry.size,
                crc32c=entry.crc32c,
                sliced=bool(entry.slices),
            )
    except leveldb_table.TableError as error:
        raise CheckpointError(str(error)) from None
    except DecodeError:
        raise CheckpointError("an entry is not a BundleEntryProto") from None
    return Checkpoint(entries, shards)


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
