"""What is in a `.tar.gz` or `.zip` file, member by member, however the file was made.

The standard library parses the formats; here is what it leaves open: how much is read at once, how much a file
becomes, and one kind of error for all that can be wrong.
"""

from __future__ import annotations

import gzip
import io
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

from hubcheck.module.limits import LimitExceeded

CHUNK = 1 << 16
_LONGEST_HEADER = 1 << 16
_LONGEST_DIRECTORY = 1 << 22
"""Bytes of a zip file's list of members: enough for ten thousand of them."""
_GZIP, _ZIP = b"\x1f\x8b", b"PK"
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_FOREIGN = (
    tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, struct.error, EOFError, ValueError, LookupError,
    ArithmeticError, RuntimeError,
)  # fmt: skip
"""What the libraries raise on bytes that are no archive, or a damaged one (RuntimeError: for want of a password, of a
method, or of depth)."""

Spend = Callable[[int], None]
"""Told how many unpacked bytes come next; raises if they are too many."""


class BadArchive(Exception):
    """The file is no archive that can be read; the message says why."""


@dataclass(frozen=True, slots=True)
class Member:
    """One entry: its name as it stands there, "file", "folder" or what else it is, and what reads its content."""

    name: str
    kind: str
    content: Callable[[], IO[bytes]]


def members(archive: IO[bytes], spend: Spend) -> Iterator[Member]:
    """The members of an archive, in their order; the content of each can be read until the next is asked for.

    Raises:
        BadArchive: it is damaged, encrypted, or of another kind.
        OSError: it cannot be read.
    """
    with foreign_errors():
        archive.seek(0)
        start = archive.read(2)
        archive.seek(0)
        if start == _GZIP:
            yield from _tar(archive, spend)
        elif start == _ZIP:
            yield from _zip(archive, spend)
        else:
            raise BadArchive("it is neither a .tar.gz nor a .zip file")


@contextmanager
def foreign_errors() -> Iterator[None]:
    """Whatever the libraries raise on bad bytes becomes BadArchive; what `spend` raises stays what it is."""
    try:
        yield
    except LimitExceeded:
        raise
    except _FOREIGN as error:
        raise BadArchive(f"it is damaged, or of another kind: {error or type(error).__name__}") from None


def _tar(file: IO[bytes], spend: Spend) -> Iterator[Member]:
    stream: Any = _Forward(gzip.GzipFile(fileobj=file), spend)
    with tarfile.open(fileobj=stream, mode="r:", errorlevel=2) as tar:
        for info in tar:
            yield Member(info.name, _tar_kind(info), lambda info=info: _content(tar, info))  # type: ignore[misc]
            tar.members.clear()  # type: ignore[attr-defined]


def _tar_kind(info: tarfile.TarInfo) -> str:
    if info.issparse():
        return "sparse file"
    kinds = (("file", info.isreg()), ("folder", info.isdir()), ("symbolic link", info.issym()),
             ("hard link", info.islnk()), ("pipe", info.isfifo()), ("device", info.isdev()))  # fmt: skip
    return next((kind for kind, holds in kinds if holds), "member of unknown kind")


def _content(tar: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    found = tar.extractfile(info)
    assert found is not None
    return found


class _Forward(io.RawIOBase):
    """A stream that goes forward only, in small steps, so that no header can ask for much memory."""

    def __init__(self, stream: gzip.GzipFile, spend: Spend) -> None:
        super().__init__()
        self._stream, self._spend, self._position = stream, spend, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _LONGEST_HEADER:
            raise BadArchive(f"it has a header of more than {_LONGEST_HEADER:,} bytes")
        data = self._stream.read(size)
        self._position += len(data)
        self._spend(len(data))
        return data

    def seek(self, position: int, whence: int = 0) -> int:
        if whence != 0 or position < self._position:
            raise BadArchive("it is damaged: a member begins before the end of another")
        while self._position < position and self.read(min(position - self._position, CHUNK)):
            pass
        return self._position


class _Limited(io.RawIOBase):
    """A file of which no more than a directory's length is read at once."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__()
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, position: int, whence: int = 0) -> int:
        return self._file.seek(position, whence)

    def read(self, size: int = -1) -> bytes:
        if size > _LONGEST_DIRECTORY:
            raise BadArchive(f"its list of members has more than {_LONGEST_DIRECTORY:,} bytes")
        return self._file.read(_LONGEST_DIRECTORY if size < 0 else size)


def _zip(file: IO[bytes], spend: Spend) -> Iterator[Member]:
    limited: Any = _Limited(file)
    with zipfile.ZipFile(limited) as archive:
        for info in archive.infolist():
            if info.flag_bits & 1:
                raise BadArchive("it is encrypted")
            if info.compress_type not in _METHODS:
                raise BadArchive(f"it is compressed by method {info.compress_type}; known are {_METHODS}")
            content = lambda info=info: _Spending(archive.open(info), spend)  # noqa: E731
            yield Member(info.orig_filename, _zip_kind(info), content)  # type: ignore[arg-type]


def _zip_kind(info: zipfile.ZipInfo) -> str:
    mode = stat.S_IFMT(info.external_attr >> 16)
    if mode == stat.S_IFLNK:
        return "symbolic link"
    if mode not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "device or pipe"
    return "folder" if info.is_dir() else "file"


class _Spending(io.RawIOBase):
    """A member's content, each read of which is accounted for."""

    def __init__(self, stream: IO[bytes], spend: Spend) -> None:
        super().__init__()
        self._stream, self._spend = stream, spend

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._spend(len(data))
        return data
