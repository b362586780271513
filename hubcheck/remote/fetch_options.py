"""FetchOptions: how modules are read and downloaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from pathlib import Path

from hubcheck.module.limits import LIMITS, ReadLimits
from hubcheck.module.links import OWN_FILES, LinkPolicy
from hubcheck.remote.open_archives import OpenArchives
from hubcheck.util.record import record
from hubcheck.util.resources import cache_folder


@record
class FetchOptions:
    """How modules are read and downloaded.

    Args:
        limits: upper bounds on what is read of a module, and downloaded for it.
        cache: the folder of the download cache; None: downloads are neither taken from it nor kept.
        links: where links in folders may lead; None: anywhere.
        archives: keeps an archive for the modules in it that are opened with the same options.
        before_reading: called with the folder or archive of a download, to raise an error where reading it costs too
            much.
    """

    limits: ReadLimits = LIMITS
    cache: Path | None = None
    links: LinkPolicy | None = OWN_FILES
    archives: OpenArchives = field(default_factory=OpenArchives, repr=False, compare=False)
    before_reading: Callable[[Path], object] = field(default=lambda path: None, repr=False, compare=False)


def user_cache() -> Path:
    """Return the folder of this user's download cache."""
    return cache_folder("modules")
