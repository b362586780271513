"""Locks between processes, held on open files: closing the file or the end of the process releases them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


def lock_file(file: IO[Any], *, wait: bool = True) -> bool:
    """Take an exclusive lock on an open file.

    Args:
        file: any file, opened for writing.
        wait: wait until no other process holds the lock.

    Returns:
        Whether the lock is held. Where the platform has no such locks (Windows), the answer is `wait`: what must not
        run twice at a time runs unprotected, and what may be left out is left out.
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
