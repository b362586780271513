"""Write a folder so that other processes see it complete or not at all, even if the writer is killed."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hubcheck.util.private_folder import private_folder

_OLD = "old"
_AT_FDCWD = -100
_NOREPLACE, _EXCHANGE = 1, 2


@contextmanager
def staging(target: Path) -> Iterator[Path]:
    """Yield a private folder beside the target, to write its replacement in; it is removed at the end.

    The folder of the target is created if needed, and removed again on errors. What a killed process left of an
    earlier replacement of the same target is removed first; if it had moved the target away, that is moved back.
    """
    created = [folder for folder in target.parents if not folder.exists()]
    target.parent.mkdir(parents=True, exist_ok=True)

    def restore(abandoned: Path) -> None:
        if (abandoned / _OLD).exists() and not os.path.lexists(target):
            (abandoned / _OLD).rename(target)

    try:
        with private_folder(target.parent, f".{target.name}.hubcheck-", rescue=restore) as stage:
            yield stage
    except BaseException:
        # A folder that another process has put something into stays.
        for folder in created:
            with suppress(OSError):
                folder.rmdir()
        raise


def commit(new: Path, target: Path, *, replace: bool = True) -> None:
    """Move `new`, a file or folder in the staging folder, to the target; an old target ends up where `new` was.

    Where the system can exchange two names (Linux), there is a complete target at any time. Elsewhere the old one is
    moved away first, and if the process is killed at this moment, the next `staging` moves it back.

    Raises:
        FileExistsError: the target exists and `replace` is False.
    """
    while True:
        if os.path.lexists(target):
            if not replace:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
            if not _renameat2(new, target, _EXCHANGE):
                _replace_in_two_steps(new, target)
            return
        # It may have been created since the check: try again then.
        with suppress(FileExistsError):
            if not _renameat2(new, target, _NOREPLACE):
                new.rename(target)
            return


def _renameat2(source: Path, target: Path, flag: int) -> bool:
    """Call renameat2; return False if the system or the filesystem does not support it."""
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
