"""The folders of hubcheck's own data: what ships with it, and the user's cache."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent


@cache
def folder(name: str) -> Path:
    """Return the folder `rules` or `fixtures`, in the wheel or in a checkout.

    Raises:
        FileNotFoundError: the installation is incomplete.
    """
    for candidate in (_PACKAGE / "data" / name, _PACKAGE.parent / name):
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(f"hubcheck's own folder {name!r} is missing from {_PACKAGE}: install hubcheck again")


def cache_folder(name: str) -> Path:
    """Return hubcheck's folder `name` below the user's cache folder: XDG_CACHE_HOME, or ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hubcheck" / name
