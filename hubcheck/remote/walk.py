"""What lies below a folder on a server that lists its folders."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from hubcheck.module.limits import LimitExceeded, ReadLimits
from hubcheck.module.safe_names import is_safe
from hubcheck.remote.retry import retry_transient
from hubcheck.remote.source import Info, Listing, Source, joined

_DEEPEST = 16
"""Folders within folders; a page can link to itself as if it lay below itself."""


def files_below(source: Source, limits: ReadLimits) -> dict[str, Info | None] | None:
    """All files below a folder, with what is known of them; None if the server does not list it.

    Names that may not become names of files here are passed over: nothing of a module can refer to such a file.

    Raises:
        LimitExceeded: there are too many.
        Unreachable: the server fails.
    """
    found: dict[str, Info | None] = {}
    listed = False
    for folder, listing in folders(source, limits, lambda listing: True):
        listed = True
        found |= {joined(folder, [name]): info for name, info in listing.files.items()}
    return {name: info for name, info in found.items() if is_safe(name)} if listed else None


def folders(source: Source, limits: ReadLimits, enter: Callable[[Listing], bool]) -> Iterator[tuple[str, Listing]]:
    """Folders from the root on, each with what lies in it; `enter` says whether those in a folder are visited, too.

    Raises:
        LimitExceeded: there is too much.
        Unreachable: the server fails.
    """
    waiting, count = [""], 0
    while waiting:
        folder = waiting.pop()
        listing = retry_transient(partial(source.listing, folder))
        if listing is None:
            continue
        count += 1 + len(listing.files)
        if count > limits.files:
            raise LimitExceeded(limits, "files", f"files and folders are below {source.address}")
        yield folder, listing
        if enter(listing) and folder.count("/") < _DEEPEST:
            waiting += sorted((joined(folder, [name]) for name in listing.folders if is_safe(name)), reverse=True)
