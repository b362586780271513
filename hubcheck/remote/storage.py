"""Modules in whatever storage fsspec has a driver for: gs, s3, memory, and dozens more."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from fsspec.core import url_to_fs

from hubcheck.module.uri import Uri
from hubcheck.remote.source import Denied, Info, Listing, Sink, SizeExceeded, joined
from hubcheck.util.errors import Unreachable

_CHUNK = 1 << 20
_MARKS = ("ETag", "etag", "VersionId", "generation", "md5Hash", "md5", "crc32c", "Content-MD5", "checksum", "sha")
_TIMES = ("LastModified", "updated", "mtime", "modified", "last_modified", "created")


class Storage:
    """A folder or file that a driver of fsspec reads. Keys and endpoints are those of its own configuration."""

    def __init__(self, address: Uri) -> None:
        self.address = address
        self._files, root = url_to_fs(address.uri)
        self._files.invalidate_cache()
        self._root = root.rstrip("/")

    def uri_of(self, name: str) -> str:
        """The URI of a file or folder below."""
        return self.address.below(name).uri

    def info(self, name: str) -> Info | None:
        """What the storage says of a file."""
        with _failures(self.uri_of(name)):
            try:
                found = self._files.info(self._path(name))
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                return None
            return _info(found) if found.get("type") != "directory" else None

    def infos(self, names: Sequence[str]) -> list[Info | Unreachable | None]:
        """The same of several files, or why there is no answer."""
        return [_answer(self.info, name) for name in names]

    def listing(self, folder: str) -> Listing | None:
        """What lies in a folder; None if there is nothing."""
        path = self._path(folder)
        folders, files = [], {}
        with _failures(self.uri_of(folder)):
            try:
                entries = self._files.ls(path or "/", detail=True)
            except (FileNotFoundError, NotADirectoryError, NotImplementedError):
                return None
        prefix = f"{path.lstrip('/')}/" if path.strip("/") else ""
        for entry in entries:
            below = str(entry["name"]).lstrip("/")
            name = below.removeprefix(prefix).removesuffix("/")
            # A storage may name the folder itself in its list.
            if not below.startswith(prefix) or not name or "/" in name or below.rstrip("/") == prefix.rstrip("/"):
                continue
            if entry.get("type") == "directory":
                folders.append(name)
            else:
                files[name] = _info(entry)
        return Listing(tuple(folders), files) if folders or files else None

    def fetch(self, name: str, sink: Sink) -> None:
        """Write a whole file into a sink."""
        with _failures(self.uri_of(name)), self._files.open(self._path(name), "rb") as stream:
            while data := stream.read(_CHUNK):
                sink.write(data)

    def fetch_part(self, name: str, start: int, size: int, sink: Sink) -> None:
        """Write so many bytes of a file into a sink."""
        with _failures(self.uri_of(name)), self._files.open(self._path(name), "rb") as stream:
            stream.seek(start)
            while size > 0 and (data := stream.read(min(_CHUNK, size))):
                sink.write(data)
                size -= len(data)

    def _path(self, name: str) -> str:
        return joined(self._root, [name]) if name else self._root


def _answer(ask: Callable[[str], Info | None], name: str) -> Info | Unreachable | None:
    try:
        return ask(name)
    except Unreachable as error:
        return error


def _info(entry: dict[str, Any]) -> Info:
    times = {name: entry[name] for name in _TIMES if entry.get(name)}
    changed = [_seconds(value) for value in times.values()]
    size = entry.get("size")
    return Info(
        size=size if isinstance(size, int) and size >= 0 else None,
        marks={name: str(entry[name]) for name in _MARKS if entry.get(name)},
        times={name: str(value) for name, value in times.items()},
        changed=max(changed, default=None) if None not in changed else None,  # type: ignore[type-var]
    )


def _seconds(value: Any) -> float | None:
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, str):
        try:
            value = datetime.datetime.fromisoformat(value)
        except ValueError:
            return None
    return value.timestamp() if isinstance(value, datetime.datetime) else None


@contextlib.contextmanager
def _failures(uri: str) -> Iterator[None]:
    """What drivers raise, as Unreachable: each has errors of its own, most of them an OSError.

    Drivers try again by themselves where it may help, so that what comes out of them is their last word.
    """
    try:
        yield
    except (Unreachable, SizeExceeded):
        raise
    except FileNotFoundError:
        raise Unreachable(uri, "it is gone, or never was there") from None
    except PermissionError as error:
        raise Denied(uri, f"access is denied: {error}") from None
    except Exception as error:
        kinds = " ".join(kind.__name__ for kind in type(error).__mro__)
        retryable = any(word in kinds for word in ("Connection", "Timeout"))
        raise Unreachable(
            uri, f"{error or type(error).__name__}", retryable=retryable, retries_exhausted=True
        ) from None
