"""Find the modules at or below a URI, downloading as little of archives as possible."""

from __future__ import annotations

import io
from multiprocessing.pool import ThreadPool
from typing import Any

from hubcheck.module.archive import lists_module, names_module
from hubcheck.module.file_names import MODULE_FILES, is_archive_name
from hubcheck.module.limits import LimitExceeded
from hubcheck.module.locate import NotAModule, find_modules
from hubcheck.module.uri import Uri
from hubcheck.remote import handles
from hubcheck.remote.download_session import DownloadSession, download_session
from hubcheck.remote.fetch_options import FetchOptions
from hubcheck.remote.open_remote import find_in_archive, is_in_archive
from hubcheck.remote.remote_folder import FileInfo, Listing, RemoteFolder, join
from hubcheck.remote.requests import connect, existing_files, file_info, walk
from hubcheck.util.errors import ModuleUnavailable, Unreachable, UserError

_FIRST_BYTES, _MAX_BYTES = 1 << 16, 1 << 23
"""The size of a request for a part of an archive; it doubles while the requests are consecutive."""


def find_remote(uri: Uri, fetch: FetchOptions) -> list[Uri]:
    """Return the module at a URI, or all modules below it, in order, as far as the server lists its folders.

    Archives below it are included if they hold a module, or cannot be read; an archive at the URI always is. Where the
    server fails for now, or an archive cannot be stored, the URI itself is returned, so that its report has the reason.

    Raises:
        NotAModule: there is nothing, or no module.
        Unreachable: the server refuses.
        UserError: the driver of the server is not installed.
    """
    try:
        if (client := handles.client_for(uri)) is not None:
            handles.checked_handle(uri, client)
            return [uri]
        if (root := uri.local_path) is not None:
            modules = find_modules(root, fetch.limits)
            return [uri] if modules == [root] else [Uri(module.absolute().as_uri()) for module in modules]
        if is_in_archive(uri):
            return find_in_archive(uri, fetch)
        return _find(connect(uri, fetch.limits), fetch)
    except LimitExceeded as error:
        raise UserError(f"{uri}: {error}; name the modules one by one, or raise the limit") from None
    except Unreachable as error:
        if error.retryable:
            return [uri]
        raise
    except (OSError, ModuleUnavailable):
        return [uri]  # there is no space for an archive


def _find(remote: RemoteFolder, fetch: FetchOptions) -> list[Uri]:
    uri = remote.uri
    if is_archive_name(uri.name):
        if file_info(remote, "") is None:
            raise NotAModule(f"{uri}: no such file")
        return [uri]
    if uri.name in MODULE_FILES and file_info(remote, "") is not None:
        raise NotAModule(f"{uri}: a file of a module; name its folder instead")
    refusal = None
    try:
        if existing_files(remote, MODULE_FILES):
            return [uri]
    except Unreachable as error:
        if error.retryable:
            raise
        refusal = error
    if modules := sorted(_below(remote, fetch)):
        return modules
    raise refusal or NotAModule(
        f"{uri}: no module here, and no list of modules; a module is a folder with saved_model.pb, or an archive of one"
    )


def _below(remote: RemoteFolder, fetch: FetchOptions) -> list[Uri]:
    modules, archives = [], []
    for folder, listing in walk(remote, fetch.limits, lambda listing: not _is_module(listing)):
        if _is_module(listing):
            modules.append(folder)
        else:
            archives += [join(folder, name) for name in listing.files if is_archive_name(name)]
    if archives:
        with ThreadPool(remote.concurrent_requests) as threads:
            answers = threads.map(lambda name: _holds_module(remote, name, fetch), archives)
            modules += [name for name, is_module in zip(archives, answers, strict=True) if is_module]
    return [Uri(remote.uri_of(name)) for name in modules]


def _is_module(listing: Listing) -> bool:
    return any(name in listing.files for name in MODULE_FILES)


def _holds_module(remote: RemoteFolder, name: str, fetch: FetchOptions) -> bool:
    """Return whether an archive holds a module. The answer is True if that cannot be found out: its report says why.

    Of a zip file only the index at its end is downloaded, of a tar file what precedes the first file of a module. A
    server without range requests sends the whole archive, which is cached for when the module is opened.
    """
    try:
        info = file_info(remote, name)
        if info is None:
            return True
        with download_session(remote, fetch) as session:
            if not info.has_ranges or info.size is None:
                session.download(name, info, session.folder / "archive")
                return names_module(session.folder / "archive", fetch.limits)
            with io.BufferedReader(_RemoteFile(session, name, info, info.size)) as file:
                return lists_module(file, fetch.limits)
    except (Unreachable, LimitExceeded, OSError, ModuleUnavailable):
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
