"""List what lies below a folder on a server that lists its folders."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from hubcheck.module.limits import LimitExceeded, ReadLimits
from hubcheck.module.safe_names import is_safe
from hubcheck.remote.remote_folder import FileInfo, Listing, RemoteFolder, join
from hubcheck.remote.retry import retry_transient

_MAX_DEPTH = 16
"""Nested folders: a page can link to itself as if it lay below itself."""


def list_files(remote: RemoteFolder, limits: ReadLimits) -> dict[str, FileInfo | None] | None:
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
