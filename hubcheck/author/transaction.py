"""A folder that appears whole or not at all, also if the process is killed meanwhile."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hubcheck.util.private_folder import private_folder

_MARK = ".hubcheck-"
_OLD = "old"
_AT_FDCWD = -100
_NOREPLACE, _EXCHANGE = 1, 2


@contextmanager
def staging(target: Path) -> Iterator[Path]:
    """Yield a private folder beside the target, removed at the end with all that is still in it.

    What killed exports of the same target left is removed first; what they had put aside comes back.
    """
    made = _make_parents(target.parent)

    def restore(abandoned: Path) -> None:
        if (abandoned / _OLD).exists() and not os.path.lexists(target):
            (abandoned / _OLD).rename(target)

    try:
        with private_folder(target.parent, f".{target.name}{_MARK}", rescue=restore) as stage:
            yield stage
    except BaseException:
        # Only folders that this export made, and only while nobody put something into them.
        for folder in reversed(made):
            with suppress(OSError):
                folder.rmdir()
        raise


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
