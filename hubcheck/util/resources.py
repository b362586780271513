"""Where hubcheck's code and data are: for this process, and for the child processes that it starts."""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent


@cache
def folder(name: str) -> Path:
    """Return the folder `rules` or `fixtures`, in the wheel or in a checkout; raise FileNotFoundError without one."""
    for candidate in (_PACKAGE / "data" / name, _PACKAGE.parent / name):
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(f"hubcheck's own folder {name!r} is missing from {_PACKAGE}: install hubcheck again")


def cache_folder(name: str) -> Path:
    """Return hubcheck's folder `name` below the user's cache folder: XDG_CACHE_HOME, or ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hubcheck" / name


def import_path() -> str:
    """Return where this process imports from, hubcheck itself included, in the form of PYTHONPATH."""
    return os.pathsep.join(dict.fromkeys([*filter(None, sys.path), str(_PACKAGE.parent)]))


def child_environment(**variables: str) -> dict[str, str]:
    """Return this process's environment for a child that imports from the same places, with further variables."""
    return {**os.environ, "PYTHONPATH": import_path(), **variables}
