"""Finding the folders and archives that are modules."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from itertools import islice
from pathlib import Path

from hubcheck.module.file_names import KERAS_SUFFIXES, MODULE_FILES, is_archive_name
from hubcheck.module.limits import LIMITS, ReadLimits
from hubcheck.util.errors import UserError
from hubcheck.util.folders import walk
from hubcheck.util.text import printable


class NotAModule(UserError):
    """There is no module at the path; the message says what is there instead."""


def is_module(folder: Path) -> bool:
    """Return whether the folder holds one of the files that make a module."""
    return any(os.path.lexists(folder / name) for name in MODULE_FILES)


def is_archive(path: Path) -> bool:
    """Return whether this is a file with the name of an archive."""
    return is_archive_name(path.name) and path.is_file()


def changed_modules(files: Iterable[str | os.PathLike[str]], limits: ReadLimits = LIMITS) -> list[Path]:
    """Return the modules that files belong to, each once: archives, and the folders of modules above any other file.

    A file need not exist any more. One that belongs to no module is left out.
    """
    found: dict[Path, None] = {}
    for file in map(Path, files):
        folders = [folder for folder in (file, *file.parents) if is_module(folder)]
        if folders:
            found[folders[-1]] = None  # folders inside a module are no modules
        elif _archives([file], limits):
            found[file] = None
    return list(found)


def find_modules(path: Path, limits: ReadLimits = LIMITS) -> list[Path]:
    """Return the module at `path`, or all modules below it, sorted. Folders inside a module are not searched.

    An archive at `path` is always returned; one below it, if it holds a module or cannot be read.

    Raises:
        NotAModule: nothing is at `path`, or no module is at or below it.
    """
    try:
        path.stat()
    except FileNotFoundError:
        raise NotAModule(f"{path}: no such file or folder{_similar(path)}") from None
    except (OSError, ValueError) as error:
        raise NotAModule(f"{printable(str(path))}: {getattr(error, 'strerror', error)}") from None
    if is_archive(path):
        return [path]
    if path.is_file():
        if path.name in MODULE_FILES:
            return [path.parent]
        if path.suffix.lower() in KERAS_SUFFIXES:
            adapt = f"hubcheck adapt {path} DST --pixels LOW,HIGH"
            raise NotAModule(f"{path}: a Keras model, not a module; make a module of it with `{adapt}`")
        raise NotAModule(f"{path}: not a module; give the folder that holds saved_model.pb, or a .tar.gz or .zip of it")
    if is_module(path):
        return [path]
    found: list[Path] = []
    for folder, children, files in walk(path):
        if is_module(Path(folder)):
            found.append(Path(folder))
            children.clear()
        else:
            found += _archives([Path(folder, name) for name in files], limits)
    if not found:
        raise NotAModule(f"{path}: no module here or below; a module is a folder with saved_model.pb in it")
    return sorted(found)


def _similar(path: Path) -> str:
    """Return the end of a message about a path that does not exist: what has a similar name."""
    import difflib

    with suppress(OSError):
        names = [entry.name for entry in islice(path.parent.iterdir(), 1000)]
        if close := difflib.get_close_matches(path.name, names, 1, cutoff=0.75):
            return printable(f"; did you mean {path.with_name(close[0])}?")
    return ""


def _archives(files: list[Path], limits: ReadLimits) -> list[Path]:
    archives = list(filter(is_archive, files))
    if not archives:
        return []
    from hubcheck.module.archive import names_module

    return [archive for archive in archives if names_module(archive, limits)]
