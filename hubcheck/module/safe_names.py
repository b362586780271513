"""Names that a stranger gave to files: which of them may become names of files here."""

from __future__ import annotations

import os
from pathlib import PurePosixPath, PureWindowsPath

_LONGEST_PART, _LONGEST = 255, 2048


def leads_out(name: str) -> bool:
    """Whether a name, on any platform, can lead out of the folder that it is joined to."""
    parts = PurePosixPath(name).parts
    return "\0" in name or "\\" in name or ".." in parts or name.startswith("/") or bool(PureWindowsPath(name).drive)


def is_too_long(name: str) -> bool:
    """Whether file systems refuse it."""
    long_part = any(len(os.fsencode(part)) > _LONGEST_PART for part in PurePosixPath(name).parts)
    return long_part or len(os.fsencode(name)) > _LONGEST


def is_safe(name: str) -> bool:
    """Whether a file may be written under this name, and is found there again."""
    return name == str(PurePosixPath(name)) != "." and not leads_out(name) and not is_too_long(name)
