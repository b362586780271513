"""The members of a `.tar.gz` or `.zip` file.

The standard library parses the formats. Added here: bounds on what is read at once and on what is unpacked, and one
kind of error for everything that can be wrong with an archive.
"""

from __future__ import annotations

import gzip
import io
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import IO, Any, NamedTuple

from hubcheck.module.limits import GIB, LimitExceeded, ReadLimits

CHUNK = 1 << 16
_MAX_READ = max(1 << 17, io.DEFAULT_BUFFER_SIZE)
"""The longest read of a tar file: of a header, or of the buffer through which Python 3.14 reads a member."""
_GZIP, _ZIP = b"\x1f\x8b", b"PK"
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_LIBRARY_ERRORS = (
    tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, struct.error, EOFError, ValueError, LookupError,
    ArithmeticError, RuntimeError,
)  # fmt: skip
"""What the libraries raise for bytes that are not an archive, or a damaged one (RuntimeError: a password or a method is
missing, or the nesting is too deep)."""


class BadArchive(Exception):
    """The file is not an archive, or cannot be read as one; the message says why."""


class Member(NamedTuple):
    """One entry: its name as stored; "file", "folder" or what else it is; and a function that opens its content."""

    name: str
    kind: str
    open: Callable[[], Any]


class _Budget:
    """Counts the bytes that are unpacked of an archive."""

    def __init__(self, packed: int, limits: ReadLimits) -> None:
        self._packed, self._limits, self._unpacked = packed, limits, 0

    def spend(self, size: int) -> None:
        """Add unpacked bytes; raise LimitExceeded if there are too many, in all or for the size of the archive."""
        self._unpacked += size
        if self._unpacked > self._limits.archive_bytes:
            raise LimitExceeded(self._limits.limit("archive_bytes"), "bytes are in the archive")
        if self._unpacked > max(GIB, self._packed * self._limits.archive_ratio):
            raise LimitExceeded(self._limits.limit("archive_ratio"), "times its own size is in the archive")


def members(archive: IO[bytes], limits: ReadLimits) -> Iterator[Member]:
    """Yield the members of an archive in their order; the content of each can be read until the next one is yielded.

    Raises:
        BadArchive: it is damaged, encrypted, or of another kind.
        LimitExceeded: more is unpacked than is allowed, here or while a member's content is read.
        OSError: it cannot be read.
    """
    with as_bad_archive():
        budget = _Budget(archive.seek(0, os.SEEK_END), limits)
        archive.seek(0)
        start = archive.read(2)
        archive.seek(0)
        if start == _GZIP:
            yield from _tar(archive, budget)
        elif start == _ZIP:
            yield from _zip(archive, budget, limits.limit("archive_list_bytes").value)
        else:
            raise BadArchive("it is neither a .tar.gz nor a .zip file")


@contextmanager
def as_bad_archive() -> Iterator[None]:
    """Raise BadArchive for what the libraries raise on bad bytes."""
    try:
        yield
    except LimitExceeded:
        raise
    except _LIBRARY_ERRORS as error:
        raise BadArchive(f"it is damaged, or of another kind: {error or type(error).__name__}") from None


def _tar(file: IO[bytes], budget: _Budget) -> Iterator[Member]:
    stream: Any = _Forward(gzip.GzipFile(fileobj=file), budget)
    with tarfile.open(fileobj=stream, mode="r:", errorlevel=2) as tar:
        for info in tar:
            yield Member(info.name, _tar_kind(info), partial(tar.extractfile, info))
            tar.members.clear()  # type: ignore[attr-defined]


def _tar_kind(info: tarfile.TarInfo) -> str:
    if info.issparse():
        return "sparse file"
    kinds = (("file", info.isreg()), ("folder", info.isdir()), ("symbolic link", info.issym()),
             ("hard link", info.islnk()), ("pipe", info.isfifo()), ("device", info.isdev()))  # fmt: skip
    return next((kind for kind, holds in kinds if holds), "member of unknown kind")


class _Forward:
    """A stream that only goes forward, in small steps, so that no header can request much memory."""

    def __init__(self, stream: gzip.GzipFile, budget: _Budget) -> None:
        self._stream, self._budget, self._position = stream, budget, 0

    def tell(self) -> int:
        return self._position

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _MAX_READ:
            raise BadArchive(f"it has a header of more than {_MAX_READ:,} bytes")
        data = self._stream.read(size)
        self._position += len(data)
        self._budget.spend(len(data))
        return data

    def seek(self, position: int, whence: int = 0) -> int:
        if whence != 0 or position < self._position:
            raise BadArchive("it is damaged: a member begins before the end of another")
        while self._position < position and self.read(min(position - self._position, CHUNK)):
            pass
        return self._position


def _zip(file: IO[bytes], budget: _Budget, max_list: int) -> Iterator[Member]:
    bounded: Any = _BoundedReads(file, max_list)
    with zipfile.ZipFile(bounded) as archive:
        for info in archive.infolist():
            if info.flag_bits & 1:
                raise BadArchive("it is encrypted")
            if info.compress_type not in _METHODS:
                raise BadArchive(f"it uses compression method {info.compress_type}; supported are {_METHODS}")
            content = lambda info=info: _Counted(archive.open(info), budget)  # noqa: E731
            yield Member(info.orig_filename, _zip_kind(info), content)


class _BoundedReads:
    """A file of which a bounded number of bytes is read at once: the longest read is that of the list of members."""

    def __init__(self, file: IO[bytes], max_bytes: int) -> None:
        self._file, self._max_bytes = file, max_bytes
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        if size > self._max_bytes:
            raise BadArchive(f"its list of members has more than {self._max_bytes:,} bytes")
        return self._file.read(self._max_bytes if size < 0 else size)


def _zip_kind(info: zipfile.ZipInfo) -> str:
    mode = stat.S_IFMT(info.external_attr >> 16)
    if mode == stat.S_IFLNK:
        return "symbolic link"
    if mode not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "device or pipe"
    return "folder" if info.is_dir() else "file"


class _Counted:
    """The content of a member, whose bytes are counted."""

    def __init__(self, stream: IO[bytes], budget: _Budget) -> None:
        self._stream, self._budget = stream, budget

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._budget.spend(len(data))
        return data
