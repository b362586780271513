"""Names of files: those that make a module, and those that are safe to write below a folder.

The pytest plugin imports this in every test run, so it imports nothing of hubcheck.
"""

from __future__ import annotations

import os
from pathlib import PurePosixPath, PureWindowsPath

MODULE_FILES = ("saved_model.pb", "saved_model.pbtxt", "tfhub_module.pb", "saved_model.cpb")
"""Each of them makes its folder a module."""
KERAS_SUFFIXES = frozenset({".keras", ".h5", ".hdf5"})
"""Of the files of Keras models."""
_ARCHIVE_SUFFIXES = (".tar.gz", ".tgz", ".zip")
_MAX_PART, _MAX_NAME = 255, 2048


def is_archive_name(name: str) -> bool:
    """Return whether a file of this name is an archive."""
    return name.lower().endswith(_ARCHIVE_SUFFIXES)


def leads_out(name: str) -> bool:
    """Return whether a name can, on any platform, lead out of the folder that it is joined to."""
    parts = PurePosixPath(name).parts
    return "\0" in name or "\\" in name or ".." in parts or name.startswith("/") or bool(PureWindowsPath(name).drive)


def is_too_long(name: str) -> bool:
    """Return whether file systems refuse the name for its length."""
    long_part = any(len(os.fsencode(part)) > _MAX_PART for part in PurePosixPath(name).parts)
    return long_part or len(os.fsencode(name)) > _MAX_NAME


def is_safe(name: str) -> bool:
    """Return whether a file may be written under this name, and is found under it again."""
    return name == str(PurePosixPath(name)) != "." and not leads_out(name) and not is_too_long(name)
