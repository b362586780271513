"""The weights in an archive that is only read: their sizes, and those small parts of them that static checks ask for.

Of the data files of a checkpoint, static checks read the object graph and small variables. Where these are stands in
the index, which most archives hold after the data. So the archive is read twice, and neither time are weights written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from hubcheck.module.archive_members import CHUNK, Member
from hubcheck.module.checkpoint import MAX_STORED_BYTES, OBJECT_GRAPH_KEY, CheckpointError, read_index, shard_name
from hubcheck.module.limits import LimitExceeded, ReadLimits

_SHARD = re.compile(r"(?:.*/)?variables/variables\.data-\d{5}-of-\d{5}")


def is_shard(name: str) -> bool:
    """Return whether a member of this name holds weights."""
    return _SHARD.fullmatch(name) is not None


def write_size(member: Member, target: Path) -> None:
    """Write a file of the member's size that takes no space; the member's content is read, as it may be damaged."""
    content, size = member.open(), 0
    while chunk := content.read(CHUNK):
        size += len(chunk)
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as out:
        out.truncate(size)


def write_small_tensors(archive: Iterable[Member], folder: Path, shards: Iterable[str], limits: ReadLimits) -> None:
    """Write what static checks read of the weights into the files that `write_size` has written, by whole chunks.

    Args:
        archive: the archive's members, once more.
        folder: where it is unpacked.
        shards: the names of these files.
        limits: how much of the indexes beside them is read.
    """
    wanted = dict(_wanted(folder, set(shards), limits))
    for member in archive if wanted else ():
        chunks = wanted.pop(str(PurePosixPath(member.name)), None) if member.kind == "file" else None
        if chunks is not None:
            _write_chunks(member, folder / PurePosixPath(member.name), chunks)
        if not wanted:
            break


def _write_chunks(member: Member, target: Path, chunks: set[int]) -> None:
    content = member.open()
    with target.open("r+b") as out:
        for number in range(max(chunks) + 1):
            if not (chunk := content.read(CHUNK)):
                return
            if number in chunks:
                out.seek(number * CHUNK)
                out.write(chunk)


def _wanted(folder: Path, shards: set[str], limits: ReadLimits) -> Iterator[tuple[str, set[int]]]:
    """Yield for each shard the numbers of the chunks that hold what is read of it."""
    for parent in {PurePosixPath(name).parent for name in shards}:
        try:
            checkpoint = read_index(folder / parent / "variables.index", limits)
        except (CheckpointError, LimitExceeded, OSError):
            continue  # the reader says so
        found: dict[str, set[int]] = {}
        for key, entry in checkpoint.entries.items():
            most = limits.limit("object_graph_bytes").value if key == OBJECT_GRAPH_KEY else MAX_STORED_BYTES
            for part in entry.parts:
                if 0 < part.size <= most and part.offset >= 0:
                    name = str(parent / shard_name("variables", part.shard, checkpoint.shards))
                    last = (part.offset + part.size - 1) // CHUNK
                    found.setdefault(name, set()).update(range(part.offset // CHUNK, last + 1))
        yield from ((name, chunks) for name, chunks in found.items() if name in shards)
