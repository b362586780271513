"""What can be asked of a server, whatever it speaks."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from hubcheck.module.uri import Uri
from hubcheck.util.errors import Unreachable

_SETTLED = 2
"""Seconds after which a file's time tells whether it has changed: clocks of servers count whole ones."""


@dataclass(frozen=True, slots=True)
class Info:
    """What a server says of a file, before it is fetched.

    `marks` are what it tells contents apart by (ETag, checksums, generation), `times` when the file was changed,
    `changed` the same in seconds since 1970. `is_page` tells a page for people, which some servers send in place of
    whatever they do not have; `ranges` whether they send parts of it.
    """

    size: int | None = None
    marks: Mapping[str, str] = field(default_factory=dict)
    times: Mapping[str, str] = field(default_factory=dict)
    changed: float | None = None
    is_page: bool = False
    ranges: bool = True

    @property
    def validator(self) -> str | None:
        """A text that changes when the content does; None where the server says too little for that."""
        settled = self.changed is not None and time.time() - self.changed > _SETTLED
        if not self.marks and (self.size is None or not settled):
            return None
        return json.dumps([self.size, sorted(self.marks.items()), sorted(self.times.items())])


@dataclass(frozen=True, slots=True)
class Listing:
    """What lies in a folder: names of folders, and of files with what is known of them without asking further."""

    folders: tuple[str, ...]
    files: Mapping[str, Info | None]


class Denied(Unreachable):
    """The server wants to know who asks; many say so of what they do not have, too."""


class SizeExceeded(Exception):
    """More bytes came than were wanted."""


class Sink(Protocol):
    """Where bytes go. It raises CutOff for what is too much."""

    def write(self, data: bytes) -> object:
        """Take some bytes."""
        ...


class Source(Protocol):
    """A folder or file on a server. Names are relative to it, with slashes; "" is itself.

    Every method may raise Unreachable, and `Denied` where a server will not even say whether there is something.
    """

    address: Uri

    def uri_of(self, name: str) -> str:
        """The URI of a file or folder below."""
        ...

    def info(self, name: str) -> Info | None:
        """What is said of a file; None if there is none."""
        ...

    def infos(self, names: Sequence[str]) -> list[Info | Unreachable | None]:
        """The same of several files, or why there is no answer, in their order."""
        ...

    def listing(self, folder: str) -> Listing | None:
        """What lies in a folder; None if the server does not list it."""
        ...

    def fetch(self, name: str, sink: Sink) -> None:
        """Write a whole file into a sink."""
        ...

    def fetch_part(self, name: str, start: int, size: int, sink: Sink) -> None:
        """Write so many bytes of a file into a sink."""
        ...


def joined(root: str, names: Iterable[str]) -> str:
    """A path below another one."""
    return "/".join(part for part in (root, *names) if part)
