"""Walk and remove folders that may be nested deeper than Python's own functions can follow.

Before Python 3.12, `os.walk` and `shutil.rmtree` call themselves for each level, and both fail where a path is longer
than the system allows.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from hubcheck.util.errors import UserError


def walk(
    top: str | os.PathLike[str], *, on_error: Callable[[OSError], object] | None = None
) -> Iterator[tuple[str, list[str], list[str]]]:
    """Yield each folder at or below `top`, with the sorted names of its folders and of its other entries.

    Links to folders are among the folders, but are not entered. The caller may remove folders that are not to be
    entered from the list.

    Args:
        top: the folder to start with.
        on_error: called with the error of a folder that cannot be listed; by default it is left out.
    """
    waiting = [os.fspath(top)]
    while waiting:
        path = waiting.pop()
        folders, others, links = list[str](), list[str](), set[str]()
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    (folders if _is_folder(entry) else others).append(entry.name)
                    if entry.is_symlink():
                        links.add(entry.name)
        except OSError as error:
            if on_error is not None:
                on_error(error)
            continue
        folders.sort()
        others.sort()
        yield path, folders, others
        waiting += [f"{path}/{name}" for name in reversed(folders) if name not in links]


def ensure_writable(folder: Path, what: str, option: str) -> None:
    """Create a folder if it does not exist.

    Args:
        folder: the folder.
        what: what is to be saved there.
        option: the option that names the folder.

    Raises:
        UserError: no file can be written there.
    """
    import tempfile

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = f"{what} cannot be saved here: {error.strerror or error}"
        raise UserError(f"{folder}: {reason}; name another folder with {option}") from None


def temporary_folder() -> Path:
    """Return the folder for temporary files: what TMPDIR names, full or not.

    `tempfile.gettempdir` takes a folder only after it has written a file there, so while another process fills the
    disk, this one would write to `/tmp`.
    """
    import tempfile  # slow to import

    named = os.environ.get("TMPDIR")
    if named and tempfile.tempdir is None and Path(named).is_dir() and os.access(named, os.W_OK | os.X_OK):
        return Path(named).absolute()
    return Path(tempfile.gettempdir())


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def remove_folder(folder: Path) -> None:
    """Remove a folder with everything in it, as far as possible, however deep it is. Raises nothing.

    The folder must not change meanwhile.
    """
    if not {os.open, os.rename, os.rmdir, os.unlink} <= os.supports_dir_fd:
        import shutil  # slow to import

        shutil.rmtree(folder, ignore_errors=True)
        return
    with suppress(OSError):
        top = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            _empty(top)
        finally:
            os.close(top)
        folder.rmdir()


def _empty(top: int) -> None:
    """Remove what is in an open folder: folders inside of others are first moved up, so that no path becomes long.

    They get names that nobody who has filled the folder can have used before.
    """
    waiting = _remove_files(top)
    while waiting:
        name = waiting.pop()
        with suppress(OSError):
            os.chmod(name, 0o700, dir_fd=top)
            inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=top)
            try:
                for child in _remove_files(inner):
                    moved = f".{os.urandom(16).hex()}"
                    with suppress(OSError):
                        os.chmod(child, 0o700, dir_fd=inner)
                        os.rename(child, moved, src_dir_fd=inner, dst_dir_fd=top)
                        waiting.append(moved)
            finally:
                os.close(inner)
            os.rmdir(name, dir_fd=top)


def _remove_files(folder: int) -> list[str]:
    """Remove everything but folders from an open folder; return the names of the folders."""
    folders = []
    with os.scandir(folder) as entries:
        listed = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_folder in listed:
        if is_folder:
            folders.append(name)
        else:
            with suppress(OSError):
                os.unlink(name, dir_fd=folder)
    return folders
