"""Files and folders that other processes see complete or not at all, even if the writer is killed."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

from hubcheck.util.errors import UserError
from hubcheck.util.locks import private_folder

_OLD = "old"
_AT_FDCWD = -100
_NOREPLACE, _EXCHANGE = 1, 2


@contextmanager
def replacing(file: Path) -> Iterator[Path]:
    """Yield the path of a draft beside `file`; rename it to `file` at the end, or remove it if an error is raised.

    The folder must exist. Several processes and threads may do this for one file at the same time: the last one wins.
    """
    draft = file.with_name(f".{file.name}-{os.getpid()}-{time.monotonic_ns()}")
    try:
        yield draft
        draft.replace(file)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def write_atomic(file: Path, pieces: Iterable[str]) -> None:
    """Write text to `file` atomically. Characters that UTF-8 cannot encode (of paths) are written as escapes.

    A pipe or a device is written to directly, and a link is followed.

    Raises:
        UserError: the file cannot be written.
    """
    try:
        direct = file.exists() and not file.is_file()
        target = nullcontext(file) if direct else replacing(file.resolve() if file.is_symlink() else file)
        with target as draft, draft.open("w", encoding="utf-8", errors="backslashreplace") as stream:
            stream.writelines(pieces)
    except OSError as error:
        raise UserError(f"{file}: cannot be written: {error.strerror}") from None


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
    import ctypes  # seldom needed, and slow to import

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
