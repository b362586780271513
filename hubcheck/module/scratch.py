"""Private folders for what is unpacked: gone when they are left, and, should hubcheck be killed, by its next run."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PREFIX = "hubcheck-unpacked-"
_LOCK = ".lock"
_YOUNG = 60
"""Seconds in which a folder's maker may not have come to lock it."""


@contextmanager
def private_folder(parent: Path | None = None) -> Iterator[Path]:
    """An empty folder that only this user can look into, below `parent` or where temporary files are."""
    _sweep(Path(tempfile.gettempdir()) if parent is None else parent)
    with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=parent, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        # Whoever can take this lock knows that the process which made the folder is gone.
        with (folder / _LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder


def _sweep(parent: Path) -> None:
    """Remove what killed processes left behind."""
    for folder in parent.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            info = folder.stat(follow_symlinks=False)
            if info.st_uid != os.getuid() or time.time() - info.st_mtime < _YOUNG:
                continue
            with (folder / _LOCK).open("r") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder)
