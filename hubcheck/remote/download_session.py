"""The downloads for one module: into a private folder, through the download cache, within the limits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from hubcheck.module.limits import LimitExceeded, ReadLimits
from hubcheck.remote.download_cache import DownloadCache
from hubcheck.remote.fetch_options import FetchOptions
from hubcheck.remote.remote_folder import FileInfo, RemoteFolder, Sink, SizeExceeded
from hubcheck.remote.requests import retry_transient
from hubcheck.util.errors import Unreachable, unwritable
from hubcheck.util.locks import private_folder

SCRATCH = "XDG_CACHE_HOME, or with --no-cache TMPDIR,"
"""The environment variables that name the folder for downloads."""
_GRACE_S = 60
_MIN_BYTES_PER_S = 4096
"""The average rate that a server must keep after the first minute: it may not keep a check waiting forever."""


@contextmanager
def download_session(remote: RemoteFolder, fetch: FetchOptions) -> Iterator[DownloadSession]:
    """Yield a session whose `folder` is empty; the folder is removed at the end, and the cache cut to its limit."""
    cache = DownloadCache(fetch.cache, fetch.limits.cache_bytes) if fetch.cache is not None else None
    with private_folder(cache.scratch_parent() if cache is not None else None) as scratch:
        drafts, folder = scratch / "drafts", scratch / "files"
        drafts.mkdir()
        folder.mkdir()
        try:
            yield DownloadSession(remote, folder, fetch.limits, cache, drafts, fetch.limits.remote_bytes)
        finally:
            if cache is not None:
                cache.evict()


@dataclass(slots=True)
class DownloadSession:
    """The downloads for one module.

    Args:
        remote: the folder or file that they come from.
        folder: a private folder for them.
        limits: how much may be downloaded.
        cache: where they are taken from and kept, if anywhere.
        drafts: a folder for incomplete files, on the file system of `folder`.
        remaining_bytes: what may still be downloaded.
    """

    remote: RemoteFolder
    folder: Path
    limits: ReadLimits
    cache: DownloadCache | None
    drafts: Path
    remaining_bytes: int

    def download(
        self, name: str, info: FileInfo, target: Path, *, max_bytes: int | None = None, part: range | None = None
    ) -> None:
        """Put a file of the server, or a part of it, at `target`.

        Args:
            name: the file.
            info: what the server declares about it.
            target: a path in `folder`.
            max_bytes: the size limit; by default, what remains of the module's `remote_bytes`.
            part: the byte offsets of the part.

        Raises:
            SizeExceeded: it has more than `max_bytes`.
            LimitExceeded: it has more than what remains.
            Unreachable: the server does not deliver it.
        """
        uri, size = self.remote.uri_of(name), info.size
        if part is not None:
            uri, size = f"{uri}#bytes={part.start}-{part.stop - 1}", len(part)
        bound = self.remaining_bytes if max_bytes is None else min(max_bytes, self.remaining_bytes)
        try:
            if (size or 0) > bound:
                raise SizeExceeded
            if self.cache is not None and info.validator and self.cache.restore(uri, info.validator, target):
                return
            draft = self.drafts / "draft"
            self.remaining_bytes -= retry_transient(
                lambda: _received(uri, draft, size, bound, lambda sink: self.remote.download(name, sink, part))
            )
        except SizeExceeded:
            if max_bytes is None or max_bytes > self.remaining_bytes:
                raise LimitExceeded(self.limits.limit("remote_bytes"), "bytes are to be fetched for it") from None
            raise
        if self.cache is not None:
            self.cache.add(uri, info.validator, draft)
        draft.replace(target)

    def download_range(self, name: str, info: FileInfo, start: int, size: int) -> bytes:
        """Return `size` bytes of a file, from `start` on. Raises what `download` raises."""
        target = self.drafts / "range"
        self.download(name, info, target, max_bytes=size, part=range(start, start + size))
        data = target.read_bytes()
        target.unlink()
        return data


def _received(uri: str, file: Path, size: int | None, max_bytes: int, request: Callable[[Sink], None]) -> int:
    """Write what a request delivers to a file and return the number of bytes, which must be `size` if that is known."""
    file.unlink(missing_ok=True)  # it may be a link to a cached object
    with file.open("wb") as out:
        sink = _BoundedSink(uri, out, max_bytes if size is None else size)
        try:
            request(sink)
        except SizeExceeded:
            if size is None:
                raise
            raise Unreachable(uri, f"the server sends more than the declared {size:,} bytes", retryable=True) from None
    if size is not None and sink.received != size:
        raise Unreachable(uri, f"incomplete download: {sink.received:,} of {size:,} bytes", retryable=True)
    return sink.received


class _BoundedSink:
    """A file with a size limit and a minimum rate."""

    def __init__(self, uri: str, out: IO[bytes], max_bytes: int) -> None:
        self._uri, self._out, self._max_bytes = uri, out, max_bytes
        self._begin = time.monotonic()
        self.received = 0

    def write(self, data: bytes) -> None:
        """Write some bytes."""
        self.received += len(data)
        if self.received > self._max_bytes:
            raise SizeExceeded
        seconds = time.monotonic() - self._begin
        if seconds > _GRACE_S and self.received < seconds * _MIN_BYTES_PER_S:
            raise Unreachable(self._uri, f"the server sends less than {_MIN_BYTES_PER_S:,} bytes a second")
        try:
            self._out.write(data)
        except OSError as error:
            raise unwritable(error, SCRATCH) from None
