"""Modules wherever they lie, by path or URI: found, and opened. What speaks with servers is imported for URIs only."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hubcheck.module.limits import LIMITS, ReadLimits
from hubcheck.module.locate import find_modules
from hubcheck.module.uri import ModuleSource, parse_source
from hubcheck.util.resources import cache_folder

if TYPE_CHECKING:
    from hubcheck.module.types import Module


def find(text: str | os.PathLike[str], limits: ReadLimits = LIMITS, *, store: Path | None = None) -> list[ModuleSource]:
    """The module at a path or URI, or all modules below it, in order.

    Args:
        text: the path or URI.
        limits: how much is read, at most.
        store: the folder of what was fetched from servers before; None: it is not kept.

    Raises:
        NotAModule: there is none.
        UserError: the server cannot be asked, or will not tell.
    """
    where = parse_source(text)
    if isinstance(where, Path):
        return [*find_modules(where, limits)]
    from hubcheck.remote.search import find as find_remote

    return [*find_remote(where, limits, store)]


@contextmanager
def opened(
    where: ModuleSource, limits: ReadLimits = LIMITS, *, store: Path | None = None, weights: bool = True
) -> Iterator[Module]:
    """The module at a path or URI. `Module.folder` is there until this is left.

    Args:
        where: one that `find` has found.
        limits: how much of it is read, at most.
        store: as for `find`.
        weights: whether it will be run, or loaded; if not, weights of modules on servers are not fetched.

    Raises:
        Unreachable: a server does not give it.
    """
    if isinstance(where, Path):
        # Of what is known from an earlier run nothing is opened.
        from hubcheck.module.open_module import open_module

        with open_module(where, limits) as module:
            yield module
        return
    from hubcheck.remote.opening import opened as opened_remote

    with opened_remote(where, limits, store=store, weights=weights) as module:
        yield module


def read(path: str | os.PathLike[str], limits: ReadLimits = LIMITS) -> Module:
    """Everything that the files of a module say, without running it.

    Never raises for what is in the files: what makes them unreadable stands in the result's `problems`, and `format`
    is None if nothing could be read at all. Of an archive, and of a module on a server, only the facts stay.

    Args:
        path: a module's folder or archive, or the URI of one.
        limits: how much of it is read, at most.

    Raises:
        Unreachable: a server does not give it.
    """
    where = parse_source(path)
    with opened(where, limits, store=None if isinstance(where, Path) else default_store(), weights=False) as module:
        return module


def default_store() -> Path:
    """The folder in which modules from servers are kept."""
    return cache_folder("modules")
