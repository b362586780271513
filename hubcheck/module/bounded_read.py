"""The bytes of files that a stranger made."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from hubcheck.module.limits import LimitExceeded, ReadLimits

_LARGEST = 2 << 30
"""No protobuf message is larger, so no file that hubcheck reads whole needs to be."""

_OPEN_FLAGS = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)  # of Unix and of Windows


def read_file(file: Path, *, offset: int = 0, size: int | None = None, largest: int = _LARGEST) -> bytes:
    """The file's bytes from `offset` on, all of them or `size`.

    A pipe or a device in the place of a file would never end, or never begin: it is refused, not waited for.

    Raises:
        OSError: it cannot be opened, is no regular file, or there is more to read than `largest` bytes.
    """
    descriptor = os.open(file, os.O_RDONLY | _OPEN_FLAGS)
    try:
        info = os.fstat(descriptor)
        if stat.S_ISDIR(info.st_mode):
            raise IsADirectoryError(errno.EISDIR, "it is a folder", str(file))
        if not stat.S_ISREG(info.st_mode):
            raise OSError(errno.EINVAL, "it is a pipe or a device, no file", str(file))
        if min(info.st_size - offset, info.st_size if size is None else size) > largest:
            raise OSError(errno.EFBIG, f"it is larger than {largest:,} bytes", str(file))
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            stream.seek(offset)
            return stream.read(-1 if size is None else size)
    finally:
        os.close(descriptor)


def read_within(file: Path, limits: ReadLimits, name: str) -> bytes:
    """All of a file, if it has no more bytes than the limit of that name.

    Raises:
        LimitExceeded: it has.
        OSError: see read_file.
    """
    try:
        return read_file(file, largest=getattr(limits, name))
    except OSError as error:
        if error.errno != errno.EFBIG:
            raise
        raise LimitExceeded(limits, name, "bytes are in it") from None
