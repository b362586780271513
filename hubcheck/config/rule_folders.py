"""Folders of rules: those of installed packages, and the project's own.

A package brings rules by an entry point that names a module whose folder holds them as `rules/` does here:

    [project.entry-points."hubcheck.rules"]
    audio = "hubcheck_audio"
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_GROUP = "hubcheck.rules"


def rule_folders(own: Iterable[Path] = ()) -> tuple[Path, ...]:
    """Return the folders of installed packages, by the names of their entry points, and then those in `own`.

    The predicates beside the folders in `own` become importable: "house.checks:function" is in house/checks.py.
    A folder that is named twice, such as by an option and the configuration, is returned once.
    """
    own = tuple({folder.resolve(): folder for folder in own}.values())
    for folder in own:
        parent = str(folder.absolute().parent)
        if parent not in sys.path:
            sys.path.append(parent)
    # importlib.metadata takes long to import, and most environments have no such entry point.
    if not any(map(_names_the_group, sys.path)):
        return own
    import importlib.metadata
    import importlib.util

    installed = []
    for point in sorted(importlib.metadata.entry_points(group=_GROUP), key=lambda point: point.name):
        spec = importlib.util.find_spec(point.module)
        if spec is not None and spec.submodule_search_locations:
            installed.append(Path(next(iter(spec.submodule_search_locations))))
    return (*installed, *own)


def _names_the_group(folder: str) -> bool:
    """Return whether a package in a folder has an entry point of the group."""
    try:
        packages = [name for name in os.listdir(folder or ".") if name.endswith("-info")]  # noqa: PTH208 - hundreds
    except OSError:
        return False
    for name in packages:
        with suppress(OSError), open(f"{folder or '.'}/{name}/entry_points.txt", "rb") as file:  # noqa: PTH123
            if _GROUP.encode() in file.read():
                return True
    return False
