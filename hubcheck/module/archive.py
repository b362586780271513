"""Modules that come as one file: `.tar.gz`, `.tgz` and `.zip`, unpacked where nobody else looks, and only if safe.

A member is a file or a folder below the archive's root, and there is one of each name. An archive that holds
anything else (a link, a device, a name that leads elsewhere) is not unpacked at all.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import IO

from hubcheck.module.archive_members import CHUNK, BadArchive, Member, foreign_errors, members
from hubcheck.module.file_names import MODULE_FILES
from hubcheck.module.limits import LimitExceeded, ReadLimits
from hubcheck.module.safe_names import is_too_long, leads_out
from hubcheck.module.types import Archive
from hubcheck.util.private_folder import private_folder

_MOST_TOLD = 20


@dataclass(frozen=True, slots=True)
class Unpacked:
    """An archive's content. `folder` is None where it was not unpacked, because of what is in it."""

    folder: Path | None
    facts: Archive


@contextmanager
def unpacked(archive: Path, limits: ReadLimits) -> Iterator[Unpacked]:
    """The content of an archive in a private folder, which is gone when this is left.

    Raises:
        BadArchive: it is none, or is damaged.
        LimitExceeded: it is larger than a limit, or made to become so.
        OSError: it cannot be opened, or there is no room for what is in it.
    """
    with private_folder() as scratch:
        folder = scratch / "module"
        folder.mkdir()
        with foreign_errors(), archive.open("rb") as file:
            facts = _unpack(file, folder, limits)
        yield Unpacked(None if facts.refused else folder, facts)


def names_module(archive: Path, limits: ReadLimits) -> bool:
    """Whether a file named like an archive is one of a module, or cannot be read: that has to be told, too."""
    try:
        with archive.open("rb") as file:
            return lists_module(file, limits)
    except OSError:
        return True


def lists_module(archive: IO[bytes], limits: ReadLimits) -> bool:
    """The same of an open file; as much is read as tells."""
    try:
        budget = _Budget(archive.seek(0, os.SEEK_END), limits)
        names = (member.name for member in islice(members(archive, budget.spend), limits.archive_members))
        return any(PurePosixPath(name).name in MODULE_FILES for name in names)
    except (BadArchive, LimitExceeded, OSError):
        return True


def _unpack(archive: IO[bytes], folder: Path, limits: ReadLimits) -> Archive:
    names: dict[str, bool] = {}
    refused: list[tuple[str, str]] = []
    budget = _Budget(archive.seek(0, os.SEEK_END), limits)
    for count, member in enumerate(members(archive, budget.spend)):
        if count >= limits.archive_members:
            raise LimitExceeded(limits, "archive_members", "files and folders are in the archive")
        name = str(PurePosixPath(member.name))
        why = _refusal(member, name, names)
        if why is not None:
            refused.append((member.name, why))
            if len(refused) >= _MOST_TOLD:
                break
        elif name != ".":
            _note(names, name, is_file=member.kind == "file")
        if member.kind == "file" and not refused:
            _copy(member, folder / name)
    files = tuple(sorted(name for name, is_file in names.items() if is_file))
    return Archive(files, tuple(refused))


def _refusal(member: Member, name: str, names: dict[str, bool]) -> str | None:
    """Why a member may not be unpacked."""
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


def _note(names: dict[str, bool], name: str, *, is_file: bool) -> None:
    names[name] = is_file
    for parent in PurePosixPath(name).parents:
        names.setdefault(str(parent), False)


class _Budget:
    """What may still be unpacked."""

    def __init__(self, packed: int, limits: ReadLimits) -> None:
        self._packed, self._limits = packed, limits
        self._unpacked = 0

    def spend(self, size: int) -> None:
        """Account for unpacked bytes.

        Raises:
            LimitExceeded: they are too many, or too many for what they were packed in.
        """
        limits = self._limits
        self._unpacked += size
        if self._unpacked > limits.archive_bytes:
            raise LimitExceeded(limits, "archive_bytes", "bytes are in the archive")
        if self._unpacked > max(limits.archive_small, self._packed * limits.archive_ratio):
            raise LimitExceeded(limits, "archive_ratio", "times its own size is in the archive")


def _copy(member: Member, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    content = member.content()
    with target.open("xb") as out:
        while data := content.read(CHUNK):
            out.write(data)
