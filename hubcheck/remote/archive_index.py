"""Whether an archive on a server holds a module, with as little of it fetched as tells."""

from __future__ import annotations

import io
from functools import partial
from pathlib import Path
from typing import Any

from hubcheck.module.archive import lists_module, names_module
from hubcheck.module.limits import LimitExceeded, ReadLimits
from hubcheck.remote.download_session import kept
from hubcheck.remote.retry import retry_transient
from hubcheck.remote.source import Info, Source
from hubcheck.remote.transfer import Transfer, hollow
from hubcheck.util.errors import Unreachable

_FIRST, _LARGEST = 1 << 16, 1 << 23
"""Bytes that are fetched at a time: more and more, as long as they are read one after the other."""


def holds_module(source: Source, name: str, limits: ReadLimits, store: Path | None) -> bool:
    """Whether an archive is one of a module, or cannot be looked into: its report tells that, and why.

    Of a zip file the list of members is fetched, of a tar file what comes before the first file of a module. A server
    that sends no parts of files is asked for the whole, which is in the store when the module is opened.

    Args:
        source: the server.
        name: the archive's, below the source.
        limits: how much may be fetched and unpacked.
        store: the cache; None: nothing is kept.
    """
    try:
        info = retry_transient(partial(source.info, name))
        if info is None:
            return True
        with kept(source, limits, store) as (transfer, folder):
            file = folder / "archive"
            if not info.ranges or info.size is None:
                transfer.file(name, info, file)
                return names_module(file, limits)
            with io.BufferedReader(_Parts(transfer, name, info, info.size, file)) as parts:
                return lists_module(parts, limits)
    except (Unreachable, LimitExceeded):
        return True


class _Parts(io.RawIOBase):
    """A file on a server, of which what is read is fetched into a file here that is hollow otherwise."""

    def __init__(self, transfer: Transfer, name: str, info: Info, size: int, here: Path) -> None:
        super().__init__()
        self._transfer, self._name, self._info, self._size, self._here = transfer, name, info, size, here
        self._position, self._next = 0, _FIRST
        self._fetched = range(0)
        hollow(here, size)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, position: int, whence: int = 0) -> int:
        start = {0: 0, 1: self._position, 2: self._size}[whence]
        if start + position < 0:
            raise OSError("there is nothing before the start of a file")
        self._position = start + position
        return self._position

    def readinto(self, buffer: Any) -> int:
        if self._position >= self._size:
            return 0
        if self._position not in self._fetched:
            self._fetch()
        with self._here.open("rb") as file:
            file.seek(self._position)
            count = file.readinto(memoryview(buffer)[: self._fetched.stop - self._position])
        self._position += count
        return count

    def _fetch(self) -> None:
        goes_on = self._position == self._fetched.stop
        self._next = min(self._next * 2, _LARGEST) if goes_on else _FIRST
        stop = min(self._position + self._next, self._size)
        self._transfer.part(self._name, self._info, self._position, stop - self._position, self._here)
        self._fetched = range(self._position, stop)
