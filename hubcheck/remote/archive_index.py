"""Decide whether an archive on a server holds a module, downloading as little of it as possible."""

from __future__ import annotations

import io
from functools import partial
from typing import Any

from hubcheck.module.archive import lists_module, names_module
from hubcheck.module.limits import LimitExceeded
from hubcheck.remote.download_session import DownloadSession, download_session
from hubcheck.remote.fetch_options import FetchOptions
from hubcheck.remote.remote_folder import FileInfo, RemoteFolder
from hubcheck.remote.retry import retry_transient
from hubcheck.util.errors import Unreachable

_FIRST_BYTES, _MAX_BYTES = 1 << 16, 1 << 23
"""The size of a request; it doubles while the requests are consecutive."""


def holds_module(remote: RemoteFolder, name: str, fetch: FetchOptions) -> bool:
    """Return whether an archive holds a module. The answer is True if that cannot be found out: its report says why.

    Of a zip file only the index at its end is downloaded, of a tar file what precedes the first file of a module. A
    server without range requests sends the whole archive, which is cached for when the module is opened.
    """
    try:
        info = retry_transient(partial(remote.info, name))
        if info is None:
            return True
        with download_session(remote, fetch) as session:
            if not info.has_ranges or info.size is None:
                session.download(name, info, session.folder / "archive")
                return names_module(session.folder / "archive", fetch.limits)
            with io.BufferedReader(_RemoteFile(session, name, info, info.size)) as file:
                return lists_module(file, fetch.limits)
    except (Unreachable, LimitExceeded):
        return True


class _RemoteFile(io.RawIOBase):
    """A file on a server, of which the ranges that are read are downloaded."""

    def __init__(self, session: DownloadSession, name: str, info: FileInfo, size: int) -> None:
        super().__init__()
        self._session, self._name, self._info, self._size = session, name, info, size
        self._position, self._request_bytes = 0, _FIRST_BYTES
        self._start, self._data = 0, b""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, position: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if origin + position < 0:
            raise OSError("negative seek position")
        self._position = origin + position
        return self._position

    def readinto(self, buffer: Any) -> int:
        if self._position >= self._size:
            return 0
        if not self._start <= self._position < self._start + len(self._data):
            self._download()
        offset = self._position - self._start
        count = min(len(buffer), len(self._data) - offset)
        buffer[:count] = self._data[offset : offset + count]
        self._position += count
        return count

    def _download(self) -> None:
        is_consecutive = self._position == self._start + len(self._data)
        self._request_bytes = min(self._request_bytes * 2, _MAX_BYTES) if is_consecutive else _FIRST_BYTES
        self._start, size = self._position, min(self._request_bytes, self._size - self._position)
        self._data = self._session.download_range(self._name, self._info, self._start, size)
