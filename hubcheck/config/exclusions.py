"""Which modules are left out of a run: `--exclude` and the key `exclude`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from hubcheck.config.file import path_pattern
from hubcheck.module.uri import ModuleSource
from hubcheck.util.errors import UserError
from hubcheck.util.text import listed, plural


class Exclusions:
    """The globs of a run.

    Args:
        globs: each with the folder that it is relative to.
    """

    def __init__(self, globs: Iterable[tuple[str, Path]]) -> None:
        self._globs = list(globs)
        self._excluded: set[ModuleSource] = set()

    def covers(self, source: ModuleSource) -> bool:
        """Return whether a glob means the module or a folder above it.

        A glob without a slash means a name anywhere below its folder; an absolute one, the absolute path.
        """
        return any(_covers(glob, folder, source) for glob, folder in self._globs)

    def kept(self, sources: Sequence[ModuleSource]) -> list[ModuleSource]:
        """Return the modules that are not excluded.

        Raises:
            UserError: all of them are.
        """
        self._excluded.update(filter(self.covers, sources))
        kept = [source for source in sources if source not in self._excluded]
        if sources and not kept:
            globs = listed([glob for glob, _ in self._globs])
            raise UserError(f"nothing to check: all modules ({len(sources)}) are excluded by {globs}")
        return kept

    def notices(self) -> list[str]:
        """Return how many modules were left out, if there are any."""
        number = len(self._excluded)
        return (
            [f"excluded: {plural(number, 'module')}, by {listed([glob for glob, _ in self._globs])}"] if number else []
        )


def _covers(glob: str, folder: Path, source: ModuleSource) -> bool:
    if not isinstance(source, Path):
        name = source.public
    elif glob.startswith("/"):
        name = source.absolute().as_posix()
    else:
        name = Path(os.path.relpath(source, folder)).as_posix()
        while name.startswith("../"):  # what is not below the folder is meant by its names alone
            name = name.removeprefix("../")
    clean = glob.removeprefix("./").rstrip("/")
    return path_pattern(clean if "/" in clean else f"**/{clean}").fullmatch(name) is not None
