"""Reading files that may be hostile."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from hubcheck.module.limits import Limit, LimitExceeded

_MAX_BYTES = 2 << 30
"""No protobuf message is larger, so no file that is read whole needs to be."""
_OPEN_FLAGS = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)  # of Unix and of Windows


def read_file(file: Path, *, offset: int = 0, size: int | None = None, max_bytes: int = _MAX_BYTES) -> bytes:
    """Return the file's bytes from `offset` on: all of them, or `size`.

    A pipe or a device, whose content may never end or never begin, is refused.

    Raises:
        OSError: the file cannot be opened, is not a regular file, or there are more than `max_bytes` to read.
    """
    descriptor = os.open(file, os.O_RDONLY | _OPEN_FLAGS)
    try:
        info = os.fstat(descriptor)
        if stat.S_ISDIR(info.st_mode):
            raise IsADirectoryError(errno.EISDIR, "it is a folder", str(file))
        if not stat.S_ISREG(info.st_mode):
            raise OSError(errno.EINVAL, "it is a pipe or a device, not a file", str(file))
        if min(info.st_size - offset, info.st_size if size is None else size) > max_bytes:
            raise OSError(errno.EFBIG, f"it is larger than {max_bytes:,} bytes", str(file))
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            stream.seek(offset)
            return stream.read(-1 if size is None else size)
    finally:
        os.close(descriptor)


def read_within(file: Path, limit: Limit) -> bytes:
    """Return all bytes of a file.

    Raises:
        LimitExceeded: it is larger than the limit.
        OSError: see `read_file`.
    """
    try:
        return read_file(file, max_bytes=limit.value)
    except OSError as error:
        if error.errno != errno.EFBIG:
            raise
        raise LimitExceeded(limit, "bytes are in it") from None
