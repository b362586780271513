"""Bounds on what is read of a module, so that a hostile one cannot exhaust memory, disk or time; reading files."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from hubcheck.util.record import record

GIB = 1 << 30
_SMALL = 1 << 20
_MAX_BYTES = 2 * GIB
"""No protobuf message is larger, so no file that is read whole needs to be."""
_OPEN_FLAGS = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)  # of Unix and of Windows

_DERIVED = {
    "proto_fields": ("nodes", 12, _SMALL),
    "text_bytes": ("nodes", 64, _SMALL),
    "metadata_bytes": ("nodes", 64, _SMALL),
    "variants": ("nodes", 1e-4, 64),
    "traces": ("nodes", 1e-3, 256),
    "index_bytes": ("tensors", 256, _SMALL),
    "object_graph_bytes": ("tensors", 256, _SMALL),
    "folder_depth": ("files", 1e-3, 64),
    "archive_members": ("files", 1, 0),
    "archive_list_bytes": ("files", 160, _SMALL),
}
"""Further bounds: the key that each follows from, how many of it each unit of the key allows, and the least bound."""


@record
class Limit:
    """A bound, and the key of `[limits]` in the configuration that sets it."""

    value: int
    key: str


@record
class ReadLimits:
    """The bounds that a user can set, far above what exporters write. A finding that one of them causes names it.

    Each is a key of `[limits]` in the configuration, with `-` for `_`.

    Args:
        proto_bytes: bytes of saved_model.pb; protobuf itself allows 2 GiB.
        nodes: nodes in all graphs and functions. Also bounds the fields of the proto, the bytes of saved_model.pbtxt
            and keras_metadata.pb, and the numbers of variants and traces.
        tensors: tensors in the checkpoint. Also bounds the bytes of its index and of the object graph in it.
        files: files in the module's folder; files and folders in an archive. Also bounds how deep folders are nested.
        archive_bytes: bytes of an archive's files, unpacked.
        archive_ratio: how many times larger than the archive its files may be, beyond 1 GiB. Weights that are all zero
            become a thousand times larger, trained ones less than twice.
        remote_bytes: bytes that are downloaded for one module.
        remote_seconds: seconds that a server may take for the next bytes, the head of a response, or a list of files.
        cache_bytes: bytes of downloads that are kept on disk; the oldest are removed first.
    """

    proto_bytes: int = 2 * GIB - 1
    nodes: int = 1_000_000
    tensors: int = 500_000
    files: int = 100_000
    archive_bytes: int = 16 * GIB
    archive_ratio: int = 100
    remote_bytes: int = 16 * GIB
    remote_seconds: int = 60
    cache_bytes: int = 16 * GIB

    def limit(self, name: str) -> Limit:
        """Return the bound of this name: one of the fields, or one that follows from a field."""
        key, factor, least = _DERIVED.get(name, (name, 1, 0))
        return Limit(max(int(getattr(self, key) * factor), least), key.replace("_", "-"))


class LimitExceeded(ValueError):
    """There is more of something than a limit allows. The message names the limit, `fix` says how to raise it."""

    def __init__(self, limit: Limit, excess: str) -> None:
        super().__init__(f"more than {limit.value:,} {excess}, as set by the limit {limit.key}")
        self.fix = (
            f"If the module is meant to be this large, raise the limit: {limit.key} below [limits] in hubcheck.toml,"
            " or below [tool.hubcheck.limits] in pyproject.toml. Otherwise export it again."
        )


LIMITS = ReadLimits()


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
    """Return all bytes of a file; raise LimitExceeded if it is larger than the limit, and what `read_file` raises."""
    try:
        return read_file(file, max_bytes=limit.value)
    except OSError as error:
        if error.errno != errno.EFBIG:
            raise
        raise LimitExceeded(limit, "bytes are in it") from None
