"""Locks between processes, held on open files, and private folders that are removed once nobody holds their locks.

Closing its file or the end of the process releases a lock.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from hubcheck.util.folders import remove_folder, temporary_folder

UNPACKED, SNAPSHOT = "hubcheck-unpacked-", "hubcheck-module-"
"""How the names of private folders begin: of what archives hold, and of copies of modules."""
_LOCK = ".lock"


def lock_file(file: IO[Any], *, wait: bool = True) -> bool:
    """Take an exclusive lock on a file that is open for writing; return whether it is held.

    With `wait`, wait until no other process holds it. Where the platform has no such locks (Windows), the answer is
    `wait`: what must not run twice at a time runs unprotected, and what may be left out is left out.
    """
    try:
        import fcntl
    except ImportError:
        return wait
    try:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file at `path`, made if needed, so that one process at a time runs the block."""
    with path.open("w") as file:
        lock_file(file)
        yield


@contextmanager
def private_folder(
    parent: Path | None = None, prefix: str = UNPACKED, *, rescue: Callable[[Path], object] | None = None
) -> Iterator[Path]:
    """Yield a new folder that only this user can read, with nothing in it but a lock file.

    It is made in `parent`, by default the folder for temporary files. Folders with the same parent and prefix whose
    processes are gone are removed first; `rescue` is called with each of them before.
    """
    parent = parent or temporary_folder()
    remove_abandoned(parent, prefix, rescue)
    lock: IO[str] | None = None
    folder = _new_name(parent, prefix)
    try:  # Ctrl-C between the next lines leaves no folder
        while (lock := _made(folder)) is None:
            folder = _new_name(parent, prefix)
        yield folder
    finally:
        remove_folder(folder)
        if lock is not None:
            lock.close()
        if folder.exists():  # Windows removes no open file
            remove_folder(folder)


def remove_abandoned(parent: Path, prefix: str, rescue: Callable[[Path], object] | None = None) -> None:
    """Remove the private folders in `parent` whose processes are gone; `rescue` is called with each of them before."""
    try:
        found = [file for file in parent.iterdir() if file.name.startswith(prefix)]
    except OSError:
        return
    for folder in found:
        with suppress(OSError):
            _remove_if_abandoned(folder, rescue)


def remove_all_abandoned(parent: Path | None = None) -> None:
    """Remove what killed processes have left of archives and modules, by default in the folder for temporary files."""
    for prefix in (UNPACKED, SNAPSHOT):
        remove_abandoned(parent or temporary_folder(), prefix)


def _new_name(parent: Path, prefix: str) -> Path:
    return parent / f"{prefix}{os.urandom(8).hex()}"


def _made(folder: Path) -> IO[str] | None:
    """Make a folder, and return its lock. Until the lock is taken, another process may consider the folder abandoned
    and remove it; then return None."""
    folder.mkdir(0o700)
    with suppress(FileNotFoundError):
        lock = (folder / _LOCK).open("w")
        lock_file(lock)
        if folder.exists():
            return lock
        lock.close()
    return None


def _remove_if_abandoned(folder: Path, rescue: Callable[[Path], object] | None) -> None:
    if folder.is_symlink() or (hasattr(os, "getuid") and folder.stat().st_uid != os.getuid()):
        return
    with (folder / _LOCK).open("a") as lock:
        if lock_file(lock, wait=False):
            if rescue is not None:
                rescue(folder)
            remove_folder(folder)
