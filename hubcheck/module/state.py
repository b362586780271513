"""Whether a module was changed while it was checked."""

from __future__ import annotations

import os
from pathlib import Path

from hubcheck.module.file_names import MODULE_FILES
from hubcheck.module.readmes import DOCUMENT_NAMES

_FILES = (*MODULE_FILES, "keras_metadata.pb", "fingerprint.pb", *DOCUMENT_NAMES)
_FOLDERS = ("variables", "assets")

State = dict[str, tuple[int, int]]
"""The sizes and modification times, in ns, of the files of a module that exist. Other files in its folder, such as logs
of a training, may change at any time; inodes are not the same at each look in every network file system."""


def state_of(path: Path) -> State:
    """Return the state of the module in a folder, or in an archive."""
    root = os.fspath(path)  # joining paths takes longer than looking at the files
    names = [*_FILES]
    for folder in _FOLDERS:
        try:
            names += (f"{folder}/{name}" for name in os.listdir(f"{root}/{folder}"))  # noqa: PTH208
        except OSError:
            continue
    found = {}
    for name in ("", *names):
        try:
            info = os.stat(f"{root}/{name}" if name else root)  # noqa: PTH116
        except (OSError, ValueError):
            continue
        if name or not path.is_dir():
            found[name] = (info.st_size, info.st_mtime_ns)
    return found


def changed_file(path: Path, before: State) -> str | None:
    """Return the name of a file whose state is not what it was, the archive itself included; None if all are."""
    now = state_of(path)
    name = next((name for name in before | now if before.get(name) != now.get(name)), None)
    return path.name if name == "" else name
