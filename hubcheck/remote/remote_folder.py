"""The requests that hubcheck makes to a server, whatever its protocol."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import field
from typing import Protocol

from hubcheck.module.uri import Uri
from hubcheck.util.errors import Unreachable
from hubcheck.util.record import record

_CLOCK_STEP = 2
"""Seconds after which a modification time identifies the content: most servers count whole seconds."""


@record
class FileInfo:
    """What a server declares about a file.

    Args:
        size: bytes; None if it is not declared.
        tags: what identifies the content: ETag, checksums, generation.
        times: the modification times, as the server writes them.
        modified: the latest of them, in seconds since 1970; None if one cannot be parsed.
        is_html: whether the file is an HTML page, which some servers send instead of an error.
        has_ranges: whether the server sends parts of files.
    """

    size: int | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    times: Mapping[str, str] = field(default_factory=dict)
    modified: float | None = None
    is_html: bool = False
    has_ranges: bool = True

    @property
    def validator(self) -> str | None:
        """A text that changes when the content does; None if the server declares too little."""
        dated = self.size is not None and self.modified is not None and time.time() - self.modified > _CLOCK_STEP
        if not self.tags and not dated:
            return None
        return json.dumps([self.size, sorted(self.tags.items()), sorted(self.times.items())])


@record
class Listing:
    """The content of a folder: names of folders, and of files with their FileInfo if the listing includes it."""

    folders: tuple[str, ...]
    files: Mapping[str, FileInfo | None]


class AccessDenied(Unreachable):
    """The server requires credentials. Many servers also answer so for files that do not exist."""


class SizeExceeded(Exception):
    """More bytes arrived than allowed."""


class Sink(Protocol):
    """A writable file. It raises SizeExceeded when it is full."""

    def write(self, data: bytes) -> object:
        """Write some bytes."""


class RemoteFolder(Protocol):
    """A folder or file on a server. Names are relative to it, with slashes; "" is the folder or file itself.

    Every method but `uri_of` may raise Unreachable, and AccessDenied where credentials are required. Up to
    `concurrent_requests` threads may call them at the same time.
    """

    uri: Uri
    concurrent_requests: int

    def uri_of(self, name: str) -> str:
        """Return the URI of a file or folder below."""

    def info(self, name: str) -> FileInfo | None:
        """Return what the server declares about a file; None if there is none."""

    def list_folder(self, folder: str) -> Listing | None:
        """Return the content of a folder; None if the server does not list it."""

    def download(self, name: str, sink: Sink, part: range | None = None) -> None:
        """Write a file, or the part with these byte offsets, to a sink."""


def join(folder: str, name: str) -> str:
    """Return the path of `name` in `folder`; each may be empty."""
    return f"{folder}/{name}" if folder and name else folder or name
