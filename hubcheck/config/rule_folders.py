"""Rule folders that installed packages bring along, by the entry point group `hubcheck.rules`.

An entry point names a module whose folder holds rules as `rules/` does here:

    [project.entry-points."hubcheck.rules"]
    audio = "hubcheck_audio"
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

GROUP = "hubcheck.rules"


def rule_folders() -> tuple[Path, ...]:
    """The folders, in the order of the entry points' names.

    importlib.metadata costs more than a static check has to spare; it is imported only if a look into the
    installed packages' files shows that one of them has such an entry point.
    """
    if not any(_mentions_group()):
        return ()
    import importlib.metadata
    import importlib.util

    folders = []
    for point in sorted(importlib.metadata.entry_points(group=GROUP), key=lambda point: point.name):
        spec = importlib.util.find_spec(point.module)
        if spec is not None and spec.submodule_search_locations:
            folders.append(Path(next(iter(spec.submodule_search_locations))))
    return tuple(folders)


def folders_at_hand(given: Iterable[Path] = ()) -> tuple[Path, ...]:
    """The folders of installed packages, of the nearest configuration, and those that were given, ready to be used.

    Raises:
        DataFileError: the configuration cannot be used.
    """
    from hubcheck.config.file import find_config

    config = find_config()
    own = (*(config.rules if config is not None else ()), *given)
    find_code(own)
    return (*rule_folders(), *own)


def find_code(folders: Iterable[Path]) -> None:
    """Let predicates be imported that stand with their rules: "house.checks:function" is in house/checks.py."""
    for folder in folders:
        beside = str(folder.absolute().parent)
        if beside not in sys.path:
            sys.path.append(beside)


def _mentions_group() -> Iterator[bool]:
    wanted = GROUP.encode()
    for entry in sys.path:
        for file in Path(entry or ".").glob("*-info/entry_points.txt"):
            try:
                yield wanted in file.read_bytes()
            except OSError:
                continue
