"""A folder that appears whole or not at all, also if the process is killed meanwhile."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_MARK = ".hubcheck-"
_OLD = "old"
_AT_FDCWD = -100
_NOREPLACE, _EXCHANGE = 1, 2


@contextmanager
def staging(target: Path) -> Iterator[Path]:
    """A private folder beside the target, removed at the end with all that is still in it.

    What earlier exports of the same target left when they were killed is removed first; theirs are told
    from those of exports that still run by a lock on the folder, which dies with its process.
    """
    made = _make_parents(target.parent)
    try:
        _sweep(target)
        stage, lock = _locked(target)
        try:
            yield stage
        finally:
            shutil.rmtree(stage)
            os.close(lock)
    except BaseException:
        # Only folders that this export made, and only while nobody put something into them.
        for folder in reversed(made):
            with suppress(OSError):
                folder.rmdir()
        raise


def _locked(target: Path) -> tuple[Path, int]:
    """A new folder beside the target, and its lock. An export that sweeps at this moment may have taken the folder for
    one that was left behind, before it was locked; then another one is made."""
    while True:
        stage = target.parent / f".{target.name}{_MARK}{secrets.token_hex(4)}"
        stage.mkdir()
        with suppress(FileNotFoundError):
            lock = os.open(stage, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if stage.exists():
                return stage, lock
            os.close(lock)


def commit(new: Path, target: Path, *, replace: bool = True) -> None:
    """Put `new`, a file or folder in a staging folder, in the target's place; the old one ends up where `new` was.

    Where the system can exchange two names at once (Linux), no moment is without a whole target. Elsewhere
    the old one is put aside first, and the next export puts it back if a kill came between.

    Raises:
        FileExistsError: something is there and may not be replaced.
    """
    for _ in range(100):
        if os.path.lexists(target):
            if not replace:
                raise FileExistsError(errno.EEXIST, "it appeared meanwhile", str(target))
            if _rename(new, target, _EXCHANGE):
                return
            _replace_in_two_steps(new, target)
            return
        try:
            if not _rename(new, target, _NOREPLACE):
                new.rename(target)
            return
        except FileExistsError:
            # It appeared meanwhile: exchange with it.
            continue
    raise FileExistsError(errno.EEXIST, "another process keeps replacing it", str(target))


def _rename(source: Path, target: Path, flag: int) -> bool:
    """renameat2; False where the system or its filesystem does not have it."""
    try:
        function = ctypes.CDLL(None, use_errno=True).renameat2
    except AttributeError:
        return False
    if function(_AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target), flag) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP):
        return False
    raise OSError(code, os.strerror(code), str(target))


def _replace_in_two_steps(new: Path, target: Path) -> None:
    old = new.parent / _OLD
    target.rename(old)
    try:
        new.rename(target)
    except BaseException:
        old.rename(target)
        raise
    old.rename(new)


def _sweep(target: Path) -> None:
    for stale in target.parent.glob(f".{_escaped(target.name)}{_MARK}*"):
        with suppress(OSError):
            lock = os.open(stale, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if (stale / _OLD).exists() and not os.path.lexists(target):
                    (stale / _OLD).rename(target)
                shutil.rmtree(stale)
            finally:
                os.close(lock)


def _escaped(name: str) -> str:
    return "".join(f"[{char}]" if char in "*?[" else char for char in name)


def _make_parents(folder: Path) -> list[Path]:
    """Make the folder and those above it; the ones that were made, outermost first."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    missing.reverse()
    for child in missing:
        child.mkdir(exist_ok=True)
    return missing
