"""One file from a server: from the store if it has not changed, else fetched, within bounds, and tried again."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from hubcheck.module.limits import LimitExceeded, ReadLimits
from hubcheck.remote.retry import retry_transient
from hubcheck.remote.source import Info, Sink, SizeExceeded, Source
from hubcheck.remote.store import Store
from hubcheck.util.errors import Unreachable

_PATIENCE = 60
_SLOWEST = 4096
"""Bytes a second that a server has to give on the average, after the first minute: it may not keep one forever."""


@dataclass(slots=True)
class Transfer:
    """What may be fetched for one module, and where it is kept.

    `room` are the bytes that are left of the limit `remote_bytes`; `drafts` is a folder for files that are not whole.
    """

    source: Source
    limits: ReadLimits
    store: Store | None
    drafts: Path
    room: int = field(init=False)

    def __post_init__(self) -> None:
        self.room = self.limits.remote_bytes

    def file(self, name: str, info: Info, target: Path, *, most: int | None = None) -> None:
        """Put a file of the server at a path.

        Args:
            name: which one.
            info: what is said of it.
            target: where to.
            most: bytes that it may have; all that are left for the module, if this is None.

        Raises:
            CutOff: it has more than `most`.
            LimitExceeded: it has more than are left.
            Unreachable: the server does not give it.
        """
        uri = self.source.uri_of(name)
        self._put(uri, info, info.size, target, most, lambda sink: self.source.fetch(name, sink))

    def part(self, name: str, info: Info, start: int, size: int, target: Path) -> None:
        """Write so many bytes of a file at the same place of a file that is there already."""
        uri = f"{self.source.uri_of(name)}#bytes={start}-{start + size - 1}"
        piece = self.drafts / "part"
        self._put(uri, info, size, piece, size, lambda sink: self.source.fetch_part(name, start, size, sink))
        with target.open("r+b") as out:
            out.seek(start)
            out.write(piece.read_bytes())
        piece.unlink()

    def _put(
        self, uri: str, info: Info, size: int | None, target: Path, most: int | None, fetch: Callable[[Sink], None]
    ) -> None:
        bound = self.room if most is None else min(most, self.room)
        if (size or 0) > bound:
            self._refuse(most)
        validator = info.validator
        if self.store is not None and validator is not None and self.store.link(uri, validator, target):
            return
        draft = self.drafts / "draft"
        try:
            received = retry_transient(lambda: _received(uri, draft, size, bound, self.limits, fetch))
        except SizeExceeded:
            self._refuse(most)
        self.room -= received
        if self.store is not None:
            self.store.keep(uri, validator, draft)
        draft.replace(target)

    def _refuse(self, most: int | None) -> None:
        if most is None or most > self.room:
            raise LimitExceeded(self.limits, "remote_bytes", "bytes are to be fetched for it")
        raise SizeExceeded


def _received(
    uri: str, draft: Path, size: int | None, bound: int, limits: ReadLimits, fetch: Callable[[Sink], None]
) -> int:
    """Fetch into a file; how many bytes it has."""
    draft.unlink(missing_ok=True)
    with draft.open("wb") as out:
        meter = _Meter(uri, out, bound if size is None else min(bound, size))
        try:
            fetch(meter)
        except SizeExceeded:
            if size is not None:
                raise Unreachable(
                    uri, f"it gives more than the {size:,} bytes that it told of", retryable=True
                ) from None
            raise
    if size is not None and meter.received != size:
        cause = f"it gives {meter.received:,} of the {size:,} bytes that it told of"
        raise Unreachable(uri, cause, retryable=True)
    return meter.received


class _Meter:
    """A file that takes so many bytes, and not too slowly."""

    def __init__(self, uri: str, out: IO[bytes], most: int) -> None:
        self._uri, self._out, self._most = uri, out, most
        self._begin = time.monotonic()
        self.received = 0

    def write(self, data: bytes) -> None:
        """Take some bytes."""
        self.received += len(data)
        if self.received > self._most:
            raise SizeExceeded
        seconds = time.monotonic() - self._begin
        if seconds > _PATIENCE and self.received < seconds * _SLOWEST:
            raise Unreachable(self._uri, f"it gives less than {_SLOWEST:,} bytes a second")
        self._out.write(data)


def hollow(target: Path, size: int) -> None:
    """A file of that size in which there is nothing, and which takes no room."""
    with target.open("wb") as out:
        os.truncate(out.fileno(), size)
