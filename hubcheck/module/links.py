"""Where a link in a module may lead: to the module's own files, and to files below folders that the user named.

The folders are the one that was given as the path to check, those of `--links-below`, and in the cache of a model hub
(`models--x/snapshots/REVISION`) the folder `blobs` beside `snapshots`.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from hubcheck.util.record import record

OUTSIDE = "out of the module"
"""The reason for which most links are refused."""


class LeavesModule(PermissionError):
    """A file is behind a link that leads out of the module, so it is not opened."""

    def __init__(self, file: str) -> None:
        super().__init__(errno.EACCES, "a link that leads out of the module is not followed", file)


@record
class LinkPolicy:
    """The folders that links may lead to.

    Args:
        named: folders that the user gave as paths to check. They count for the modules in them.
        below: further folders, of `--links-below`.
    """

    named: tuple[Path, ...] = ()
    below: tuple[Path, ...] = ()

    def folders(self, module: str) -> tuple[str, ...]:
        """Return the folders to whose files the links of a module may lead; `module` is its folder, without links."""
        named = (os.path.realpath(folder) for folder in self.named)
        found = [folder for folder in named if is_below(module, folder)]
        found += [os.path.realpath(folder) for folder in self.below]
        revision = Path(module)
        cache = next((parent.parent for parent in revision.parents if parent.name == "snapshots"), None)
        if cache is not None:
            found.append(str(cache / "blobs"))
        return tuple(dict.fromkeys(found))


OWN_FILES = LinkPolicy()
"""Links lead to files of the module only, or of a cache that it is in."""


@record
class Link:
    """A link in a module that leads out of it.

    Args:
        name: its path, relative to the module's folder.
        target: where it leads in the end.
        refused: why it is not followed; "" if it is.
    """

    name: str
    target: str
    refused: str = ""


def is_below(path: str, folder: str) -> bool:
    """Return whether a path is a folder or in it; both are absolute and without links."""
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def refusal(target: str, allowed: tuple[str, ...]) -> str:
    """Return why a link that leaves its module and ends at `target` is not followed; "" if it is."""
    try:
        mode = os.stat(target, follow_symlinks=False).st_mode  # noqa: PTH116
    except (OSError, ValueError):
        return "to nothing"
    if not any(is_below(target, folder) for folder in allowed):
        return OUTSIDE
    if stat.S_ISREG(mode):
        return ""
    return "to a folder" if stat.S_ISDIR(mode) else "to something other than a file"
