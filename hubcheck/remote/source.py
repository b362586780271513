"""What can be asked of a server, whatever it speaks."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from hubcheck.module.limits import ReadLimits
from hubcheck.module.uri import Uri
from hubcheck.util.errors import Unreachable, UserError

_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs"}
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


def connect(address: Uri, limits: ReadLimits) -> Source:
    """The server of an address; most are not asked anything yet.

    Raises:
        UserError: what speaks with it is not installed, or nobody knows how to.
        Unreachable: there is no connection.
    """
    try:
        if address.scheme in ("http", "https"):
            from hubcheck.remote.http import Http

            return Http(address, limits)
        from hubcheck.remote.storage import Storage

        return Storage(address)
    except ImportError as error:
        raise UserError(f"{address} cannot be read: {_missing(address, error)}") from None
    except ValueError as error:
        raise UserError(f"{address} cannot be read: {error}") from None
    except OSError as error:  # some drivers connect at once
        raise Unreachable(address.uri, f"no connection: {error.strerror or error}") from None


def _missing(address: Uri, error: ImportError) -> str:
    wanted = (error.name or "").partition(".")[0]
    if wanted in ("fsspec", "aiohttp", "yarl"):
        return "modules on servers need `pip install 'hubcheck[remote]'`"
    extra = next((extra for scheme, extra in _EXTRAS.items() if address.scheme == scheme), None)
    if extra is not None:
        return f"{address.scheme}:// needs `pip install 'hubcheck[{extra}]'`"
    return f"its driver is not installed: {error}"


def joined(root: str, names: Iterable[str]) -> str:
    """A path below another one."""
    return "/".join(part for part in (root, *names) if part)
