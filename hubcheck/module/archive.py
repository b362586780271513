"""Modules in one file, `.tar.gz`, `.tgz` or `.zip`: unpacked into a private folder, and only if that is safe.

An archive is safe if its members are files and folders below its root, one of each name. One that holds anything else
(a link, a device, a name that leads elsewhere) is not unpacked at all.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from hubcheck.module.archive_members import CHUNK, BadArchive, Member, as_bad_archive, members
from hubcheck.module.archive_weights import is_shard, write_size, write_small_tensors
from hubcheck.module.file_names import MODULE_FILES, is_too_long, leads_out
from hubcheck.module.limits import LimitExceeded, ReadLimits
from hubcheck.module.snapshot import let_workers_read, scratch_folder
from hubcheck.module.types import Archive

_MAX_REFUSED = 20


class Unpacked(NamedTuple):
    """An unpacked archive; `folder` is None if it was not unpacked because of its members."""

    folder: Path | None
    facts: Archive


@contextmanager
def unpacked(archive: Path, limits: ReadLimits, *, weights: bool = True) -> Iterator[Unpacked]:
    """Unpack an archive into a private folder, which is removed at the end of the block.

    Without `weights`, of the data files of checkpoints only the sizes are written, and what static checks read of them.

    Raises:
        BadArchive: it is not an archive, or is damaged.
        LimitExceeded: it is larger than a limit, or unpacks to more than that.
        ModuleUnavailable: there is no folder for its content.
        OSError: it cannot be opened, or there is no space for its content.
    """
    with scratch_folder() as scratch:
        folder = scratch / "module"
        folder.mkdir()
        with as_bad_archive(), archive.open("rb") as file:
            facts = _unpack(file, folder, limits, weights)
        let_workers_read(scratch)
        yield Unpacked(None if facts.refused else folder, facts)


def names_module(archive: Path, limits: ReadLimits) -> bool:
    """Return whether an archive holds a module, or cannot be read, which has to be reported as well."""
    try:
        with archive.open("rb") as file:
            return lists_module(file, limits)
    except OSError:
        return True


def lists_module(archive: IO[bytes], limits: ReadLimits) -> bool:
    """Return the same for an open file, reading no more of it than is needed."""
    try:
        listed = islice(members(archive, limits), limits.limit("archive_members").value)
        return any(PurePosixPath(member.name).name in MODULE_FILES for member in listed)
    except (BadArchive, LimitExceeded, OSError):
        return True


def _unpack(archive: IO[bytes], folder: Path, limits: ReadLimits, weights: bool) -> Archive:
    names: dict[str, bool] = {}
    shards: list[str] = []
    refused: list[tuple[str, str]] = []
    limit = limits.limit("archive_members")
    for count, member in enumerate(members(archive, limits)):
        if count >= limit.value:
            raise LimitExceeded(limit, "files and folders are in the archive")
        name = str(PurePosixPath(member.name))
        why = _refusal(member, name, names)
        if why is not None:
            refused.append((member.name, why))
            if len(refused) >= _MAX_REFUSED:
                break
        elif name != ".":
            names[name] = member.kind == "file"
            for parent in PurePosixPath(name).parents:
                names.setdefault(str(parent), False)
        if member.kind == "file" and not refused:
            if weights or not is_shard(name):
                _copy(member, folder / name)
            else:
                shards.append(name)
                write_size(member, folder / name)
    if shards and not refused:
        write_small_tensors(members(archive, limits), folder, shards, limits)
    files = tuple(sorted(name for name, is_file in names.items() if is_file))
    return Archive(files, tuple(refused))


def _refusal(member: Member, name: str, names: dict[str, bool]) -> str | None:
    """Return why a member must not be unpacked, or None. `names` says of earlier names whether they are files."""
    if member.kind not in ("file", "folder"):
        return f"is a {member.kind}"
    if leads_out(name):
        return "has a name that leads out of the archive"
    if is_too_long(name):
        return "has a name that is too long"
    if name in names and (names[name] or member.kind == "file"):
        return "is in the archive twice"
    if any(names.get(str(parent)) for parent in PurePosixPath(name).parents):
        return "lies below a file"
    return None


def _copy(member: Member, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as out:
        shutil.copyfileobj(member.open(), out, CHUNK)
