"""Where a module is: a path, or a URI, which is kept as given because pathlib would turn `https://` into `https:/`."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from hubcheck.util.record import record
from hubcheck.util.text import without_credentials

_URI = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+(://|::)")
_RESERVED = "/:@!$&'()*+,;=?#[]%~"


@record
class Uri:
    """A URI, or a chain of URIs: `zip://m::https://host/modules.zip`."""

    uri: str

    def __lt__(self, other: Uri) -> bool:
        return self.uri < other.uri

    @property
    def scheme(self) -> str:
        """The scheme in lower case: "https", "gs", "memory"."""
        return re.split("://|::", self.uri, maxsplit=1)[0].lower()

    @property
    def name(self) -> str:
        """The name of the file or folder: the last part of the path, without a query."""
        head, chained, rest = self.uri.partition("::")
        text = head.partition("://")[2] if not chained or head.partition("://")[2] else rest
        if self.scheme in ("http", "https"):
            text = text.partition("#")[0].partition("?")[0]
        return unquote(text.rstrip("/").rpartition("/")[2])

    def below(self, name: str) -> Uri:
        """Return the URI of a file or folder in this one; itself for "". A query stays at the end."""
        if not name:
            return self
        first, chained, rest = self.uri.partition("::")
        if chained and "://" not in first:
            return Uri(f"{first}::{Uri(rest).below(name).uri}")
        if self.scheme not in ("http", "https"):
            return Uri(f"{first}{'' if first.endswith('/') else '/'}{name}{chained}{rest}")
        parts = urlsplit(self.uri)
        return Uri(urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{quote(name)}", fragment="")))

    @property
    def parent(self) -> Uri | None:
        """The URI of the folder that contains this one; None if there is none or it is unknown."""
        if not self.name or "::" in self.uri:
            return None
        if self.scheme not in ("http", "https"):
            return Uri(self.uri.rstrip("/").rpartition("/")[0])
        parts = urlsplit(self.uri)
        return Uri(urlunsplit(parts._replace(path=parts.path.rstrip("/").rpartition("/")[0], fragment="")))

    @property
    def local_path(self) -> Path | None:
        """The path of a `file://` URI; None for others."""
        return Path(unquote(urlsplit(self.uri).path)) if self.scheme == "file" else None

    @property
    def encoded(self) -> str:
        """The URI, percent-encoded; the rest of a chain is encoded like a path."""
        scheme, slashes, rest = self.public.partition("://")
        return f"{scheme}{slashes}{quote(rest, safe='/' if '::' in rest else _RESERVED)}"

    @property
    def public(self) -> str:
        """The URI without user name and password: what is printed and kept."""
        return without_credentials(self.uri)

    def __str__(self) -> str:
        return self.public

    def __fspath__(self) -> str:
        return self.uri


ModuleSource = Path | Uri


def local_path(source: ModuleSource) -> Path | None:
    """Return the path of a module on this machine; None if it is on a server or in a folder of an archive."""
    return source if isinstance(source, Path) else source.local_path


def is_shared(source: ModuleSource) -> bool:
    """Return whether other processes can open a module as well as this one: not if it is in this one's memory, and not
    in a folder of an archive, which each of them would fetch."""
    return isinstance(source, Path) or not (is_in_memory(source) or "::" in source.uri)


def is_in_memory(source: ModuleSource) -> bool:
    """Return whether a module, or the archive that it is in, is in the memory of a process."""
    return isinstance(source, Uri) and "memory://" in source.uri


def is_uri(text: str) -> bool:
    """Return whether a text is a URI, not a path."""
    return _URI.match(text) is not None


def parse_source(text: str | os.PathLike[str]) -> ModuleSource:
    """Return the path or the URI that a user gave."""
    if isinstance(text, Path | Uri):
        return text
    name = os.fspath(text)
    return Uri(name) if is_uri(name) else Path(name)
