"""The bytes of small tensors of a checkpoint: all that a static check reads of the weights."""

from __future__ import annotations

from hubcheck.module.bounded_read import read_file
from hubcheck.module.checkpoint import shard_name
from hubcheck.module.types import CheckpointEntry, Module


def stored_bytes(module: Module, entry: CheckpointEntry, *, most: int) -> bytes | None:
    """Return a tensor as it is stored; None if it has more than `most` bytes, is partitioned, or its file is not there.

    Modules on servers and archives are read without their weights.
    """
    if module.opened_at is None or module.checkpoint is None or entry.slices or not 0 < entry.size <= most:
        return None
    file = module.opened_at / "variables" / shard_name("variables", entry.shard, module.checkpoint.shards)
    try:
        content = read_file(file, offset=entry.offset, size=entry.size)
    except (OSError, OverflowError, ValueError):
        return None
    return content if len(content) == entry.size else None
