"""Private folders that are removed when they are left or, if the process is killed, by the next one that needs one."""

from __future__ import annotations

import glob
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from hubcheck.util.locks import lock_file

_LOCK = ".lock"


@contextmanager
def private_folder(
    parent: Path | None = None, prefix: str = "hubcheck-unpacked-", *, rescue: Callable[[Path], object] | None = None
) -> Iterator[Path]:
    """Yield a new folder that only this user can read, with nothing in it but a lock file.

    Folders with the same parent and prefix whose processes are gone are removed first.

    Args:
        parent: the folder to make it in; by default, the one for temporary files.
        prefix: the start of its name.
        rescue: called with each abandoned folder before it is removed.
    """
    parent = parent or Path(tempfile.gettempdir())
    for abandoned in parent.glob(f"{glob.escape(prefix)}*"):
        with suppress(OSError):
            _remove_if_abandoned(abandoned, rescue)
    folder, lock = _locked_folder(parent, prefix)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        lock.close()


def _locked_folder(parent: Path, prefix: str) -> tuple[Path, IO[str]]:
    """Return a new folder and its lock. Until the lock is taken, another process may consider the folder abandoned and
    remove it; then another folder is made."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        with suppress(FileNotFoundError):
            lock = (folder / _LOCK).open("w")
            lock_file(lock)
            if folder.exists():
                return folder, lock
            lock.close()


def _remove_if_abandoned(folder: Path, rescue: Callable[[Path], object] | None) -> None:
    if folder.is_symlink() or (hasattr(os, "getuid") and folder.stat().st_uid != os.getuid()):
        return
    with (folder / _LOCK).open("a") as lock:
        if lock_file(lock, wait=False):
            if rescue is not None:
                rescue(folder)
            shutil.rmtree(folder)
