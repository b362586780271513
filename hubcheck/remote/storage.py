"""Modules in every storage that fsspec has a driver for: gs, s3, memory, and dozens more."""

from __future__ import annotations

import contextlib
import datetime
import sys
from collections.abc import Iterator
from typing import Any

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from hubcheck.module.uri import Uri
from hubcheck.remote.remote_folder import AccessDenied, FileInfo, Listing, Sink, SizeExceeded, join
from hubcheck.util.errors import ModuleUnavailable, Unreachable

_CHUNK_BYTES = 1 << 20
_TAGS = ("ETag", "etag", "VersionId", "generation", "md5Hash", "md5", "crc32c", "Content-MD5", "checksum", "sha")
_TIMES = ("LastModified", "updated", "mtime", "modified", "last_modified", "created")


_LED_ANYWHERE = ("reference", "generic")
"""Drivers that open whatever addresses they read, of this machine too."""


class StorageFolder:
    """A folder or file that a driver of fsspec reads, with the credentials and endpoints of fsspec's configuration.

    Raises:
        ValueError: the URI has no such driver, one that is led to addresses by what it reads, or one for files of this
            machine, whose links would be followed.
    """

    def __init__(self, uri: Uri) -> None:
        self.uri = uri
        for part in uri.uri.split("::"):
            if part.partition("://")[0].lower() in _LED_ANYWHERE:
                raise ValueError(f"{part.partition('://')[0]} opens what a file names; give the URIs of the modules")
        self._files, root = url_to_fs(uri.uri, **_http_options(uri))
        below: Any = self._files
        while below is not None:
            if isinstance(below, LocalFileSystem):
                raise ValueError("it is on this machine; give its path")
            below = getattr(below, "fs", None)
        self._files.invalidate_cache()
        # Other drivers may not be thread-safe.
        self.concurrent_requests = 8 if self._files.async_impl else 1
        self._root = root.rstrip("/")

    def uri_of(self, name: str) -> str:
        return self.uri.below(name).uri

    def info(self, name: str) -> FileInfo | None:
        with _as_unreachable(self.uri_of(name)):
            try:
                entry = self._files.info(join(self._root, name))
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                return None
            return _file_info(entry) if entry.get("type") != "directory" else None

    def list_folder(self, folder: str) -> Listing | None:
        path = join(self._root, folder)
        with _as_unreachable(self.uri_of(folder)):
            try:
                entries = self._files.ls(path or "/", detail=True)
            except (FileNotFoundError, NotADirectoryError, NotImplementedError):
                return None
        prefix = f"{path.strip('/')}/".lstrip("/")
        folders, files = [], {}
        for entry in entries:
            key = str(entry["name"]).lstrip("/")
            name = key.removeprefix(prefix).removesuffix("/")
            # A storage may list the folder itself, too.
            if not key.startswith(prefix) or not name or "/" in name or key.rstrip("/") == prefix.rstrip("/"):
                continue
            if entry.get("type") == "directory":
                folders.append(name)
            else:
                files[name] = _file_info(entry)
        return Listing(tuple(folders), files) if folders or files else None

    def download(self, name: str, sink: Sink, part: range | None = None) -> None:
        with _as_unreachable(self.uri_of(name)), self._files.open(join(self._root, name), "rb") as stream:
            if part is not None:
                stream.seek(part.start)
            remaining = sys.maxsize if part is None else len(part)
            while remaining > 0 and (data := stream.read(min(_CHUNK_BYTES, remaining))):
                sink.write(data)
                remaining -= len(data)


def _http_options(uri: Uri) -> dict[str, Any]:
    """Return the options of fsspec for a web server in a chain such as `simplecache::https://host/m`."""
    servers = [part for part in uri.uri.split("::") if part.partition("://")[0] in ("http", "https")]
    if not servers:
        return {}
    from hubcheck.remote.http import client_for

    return {part.partition("://")[0]: {"get_client": client_for(part)} for part in servers}


def _file_info(entry: dict[str, Any]) -> FileInfo:
    times = {name: entry[name] for name in _TIMES if entry.get(name)}
    seconds = [_seconds(value) for value in times.values()]
    size = entry.get("size")
    return FileInfo(
        size=size if isinstance(size, int) and size >= 0 else None,
        tags={name: str(entry[name]) for name in _TAGS if entry.get(name)},
        times={name: str(value) for name, value in times.items()},
        modified=max(seconds, default=None) if None not in seconds else None,  # type: ignore[type-var]
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
def _as_unreachable(uri: str) -> Iterator[None]:
    """Raise Unreachable for the errors of drivers: each has its own, most of them derived from OSError.

    Drivers retry by themselves where that may help.
    """
    try:
        yield
    except (Unreachable, SizeExceeded, ModuleUnavailable):
        raise
    except FileNotFoundError:
        raise Unreachable(uri, "no such file") from None
    except PermissionError as error:
        raise AccessDenied(uri, f"access is denied: {error}") from None
    except Exception as error:
        bases = " ".join(kind.__name__ for kind in type(error).__mro__)
        cause, retryable = str(error) or type(error).__name__, "Connection" in bases or "Timeout" in bases
        raise Unreachable(uri, cause, retryable=retryable, retries_exhausted=True) from None
