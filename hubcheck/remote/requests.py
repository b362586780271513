"""Requests to servers: choose the driver, repeat what may succeed later, and list what lies below a folder."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from multiprocessing.pool import ThreadPool
from time import sleep
from typing import TypeVar

from hubcheck.module.file_names import is_safe
from hubcheck.module.limits import LimitExceeded, ReadLimits
from hubcheck.module.uri import Uri
from hubcheck.remote.remote_folder import AccessDenied, FileInfo, Listing, RemoteFolder, join
from hubcheck.util.errors import Unreachable, UserError

Files = dict[str, FileInfo | None]
Result = TypeVar("Result")

_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs"}
_TRIES = 4
_FIRST_WAIT_S, _MAX_WAIT_S = 0.5, 30.0
_MAX_DEPTH = 16
"""Nested folders: a page can link to itself as if it lay below itself."""


def connect(uri: Uri, limits: ReadLimits) -> RemoteFolder:
    """Return the folder or file at a URI; most drivers do not connect before the first request.

    Raises:
        UserError: the driver for the scheme is not installed, or there is none.
        Unreachable: there is no connection.
    """
    try:
        if uri.scheme in ("http", "https"):
            from hubcheck.remote.http import HttpFolder

            return HttpFolder(uri, limits)
        from hubcheck.remote.storage import StorageFolder

        return StorageFolder(uri)
    except ImportError as error:
        raise UserError(f"{uri} cannot be read: {_remedy(uri, error)}") from None
    except ValueError as error:
        raise UserError(f"{uri} cannot be read: {error}") from None
    except OSError as error:  # some drivers connect at once
        raise Unreachable(uri.uri, f"no connection: {error.strerror or error}") from None


def _remedy(uri: Uri, error: ImportError) -> str:
    if (extra := _EXTRAS.get(uri.scheme)) is not None:
        return f"{uri.scheme}:// needs `pip install 'hubcheck[{extra}]'`"
    if (error.name or "").partition(".")[0] in ("fsspec", "aiohttp", "yarl"):
        return "modules on servers need `pip install 'hubcheck[remote]'`"
    return f"its driver is not installed: {error}"


def retry_transient(request: Callable[[], Result], first_error: Unreachable | None = None) -> Result:
    """Return the result of `request`, which is tried up to four times.

    Waits half a second before the second try and twice as long before each further one, or as long as the server asks.

    Args:
        request: what to do.
        first_error: the result of the first try, if it was made already.

    Raises:
        Unreachable: it failed for good, or every time.
    """
    for number in range(_TRIES):
        try:
            if number == 0 and first_error is not None:
                raise first_error
            return request()
        except Unreachable as error:
            if not error.retryable or error.retries_exhausted or number == _TRIES - 1:
                raise
            backoff = _FIRST_WAIT_S * 2**number * random.uniform(0.8, 1.2)
            sleep(min(max(error.wait, backoff), _MAX_WAIT_S))
    raise AssertionError("the last try returns or raises")


def file_info(remote: RemoteFolder, name: str, first_error: Unreachable | None = None) -> FileInfo | None:
    """Return what the server declares about a file, None if there is none, as `retry_transient` does."""
    return retry_transient(partial(remote.info, name), first_error)


def existing_files(remote: RemoteFolder, names: Iterable[str]) -> Files:
    """Return which of the files exist, with what the server declares about them.

    Raises:
        AccessDenied: none is found, and for some the server requires credentials.
        Unreachable: the server fails.
    """

    def info_or_error(name: str) -> FileInfo | Unreachable | None:
        try:
            return remote.info(name)
        except Unreachable as error:
            return error

    names = list(names)
    with ThreadPool(remote.concurrent_requests) as threads:  # its threads end with the process, even if they wait
        answers = threads.map(info_or_error, names)
    files: Files = {}
    denied: AccessDenied | None = None
    for name, answer in zip(names, answers, strict=True):
        if isinstance(answer, AccessDenied):
            denied = answer
            continue
        info = file_info(remote, name, answer) if isinstance(answer, Unreachable) else answer
        if info is not None and not info.is_html:  # an HTML page instead of a file says that there is none
            files[name] = info
    if not files and denied is not None:
        raise denied
    return files


def list_files(remote: RemoteFolder, limits: ReadLimits) -> Files | None:
    """Return all files below a folder, with what the listing declares; None if the server does not list the folder.

    Names that are unsafe as names of local files are left out: nothing of a module can refer to such a file.

    Raises:
        LimitExceeded: there are too many.
        Unreachable: the server fails.
    """
    listings = list(walk(remote, limits, lambda listing: True))
    files = {join(folder, name): info for folder, listing in listings for name, info in listing.files.items()}
    return {name: info for name, info in files.items() if is_safe(name)} if listings else None


def walk(remote: RemoteFolder, limits: ReadLimits, descend: Callable[[Listing], bool]) -> Iterator[tuple[str, Listing]]:
    """Yield folders and their listings from the root on; `descend` decides whether the folders in one follow.

    Raises:
        LimitExceeded: there are too many files and folders.
        Unreachable: the server fails.
    """
    waiting, count = [""], 0
    while waiting:
        folder = waiting.pop()
        listing = retry_transient(partial(remote.list_folder, folder))
        if listing is None:
            continue
        count += 1 + len(listing.files)
        if count > limits.files:
            raise LimitExceeded(limits.limit("files"), f"files and folders are below {remote.uri}")
        yield folder, listing
        if descend(listing) and folder.count("/") < _MAX_DEPTH:
            waiting += sorted((join(folder, name) for name in listing.folders if is_safe(name)), reverse=True)
