"""Where a module lies while it is looked at: a private folder, into which the user's cache links what it has."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hubcheck.module.limits import ReadLimits
from hubcheck.remote.source import Source
from hubcheck.remote.store import Store
from hubcheck.remote.transfer import Transfer
from hubcheck.util.private_folder import private_folder


@contextmanager
def kept(source: Source, limits: ReadLimits, store: Path | None) -> Iterator[tuple[Transfer, Path]]:
    """A transfer from a source, and an empty folder for what it brings, which is gone when this is left.

    Args:
        source: from where.
        limits: how much.
        store: the cache; None: nothing is read from it, and nothing kept.
    """
    objects = Store(store, limits.cache_bytes) if store is not None else None
    with private_folder(objects.laid_out if objects is not None else None) as scratch:
        drafts, folder = scratch / "drafts", scratch / "files"
        drafts.mkdir()
        folder.mkdir()
        try:
            yield Transfer(source, limits, objects, drafts), folder
        finally:
            if objects is not None:
                objects.make_room()
