"""Which modules are left out of a run: `--exclude` and the key `exclude`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from hubcheck.config.path_patterns import path_pattern
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

        A glob without a slash means a name anywhere below its folder, or beside it; others are relative to its folder.
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
            raise UserError(f"nothing to check: {plural(len(sources), 'module')} found, all excluded by {self._used()}")
        return kept

    def notices(self) -> list[str]:
        """Return how many modules were left out, if there are any."""
        return [f"excluded: {plural(len(self._excluded), 'module')}, by {self._used()}"] if self._excluded else []

    def _used(self) -> str:
        return listed([glob for glob, folder in self._globs if any(_covers(glob, folder, it) for it in self._excluded)])


def _covers(glob: str, folder: Path, source: ModuleSource) -> bool:
    name = os.path.abspath(source) if isinstance(source, Path) else source.public  # noqa: PTH100 - resolves ".."
    clean = glob.removeprefix("./").rstrip("/")
    if "/" not in clean:
        clean = f"**/{clean}"
        if isinstance(source, Path):  # the names of folders above the working folder do not count
            name = os.path.relpath(name, folder)
    return path_pattern(clean, folder.as_posix()).fullmatch(name) is not None
