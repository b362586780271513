"""Find, open and read modules at paths and URIs. What speaks with servers is imported for URIs only."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hubcheck.module.limits import LIMITS, ReadLimits
from hubcheck.module.links import LinkPolicy
from hubcheck.module.locate import find_modules
from hubcheck.module.uri import ModuleSource, local_path, parse_source
from hubcheck.remote.fetch_options import FetchOptions, user_cache
from hubcheck.util.errors import UserError

if TYPE_CHECKING:
    from hubcheck.module.types import Module


def find_sources(location: str | os.PathLike[str], fetch: FetchOptions) -> list[ModuleSource]:
    """Return the module at a path or URI, or all modules below it, in order.

    Raises:
        NotAModule: there is none.
        UserError: the server cannot be reached, or refuses.
    """
    source = parse_source(location)
    if isinstance(source, Path):
        return [*find_modules(source, fetch.limits)]
    from hubcheck.remote.search import find_remote

    return [*find_remote(source, fetch)]


def find_one_source(location: str | os.PathLike[str], fetch: FetchOptions) -> ModuleSource:
    """Return the one module at or below a path or URI.

    Raises:
        UserError: there are several. Also raises what `find_sources` raises.
    """
    sources = find_sources(location, fetch)
    if len(sources) > 1:
        raise UserError(
            f"{parse_source(location)}: {len(sources)} modules are below it; name one of them, such as {sources[0]}"
        )
    return sources[0]


def named_folders(locations: Iterable[str | os.PathLike[str]]) -> tuple[Path, ...]:
    """Return the absolute folders among paths and URIs that a user gave; links may lead to the files in them."""
    places = filter(None, map(local_path, map(parse_source, locations)))
    return tuple(place.absolute() for place in places if os.path.isdir(place))  # noqa: PTH112 - of any name


def open_source(
    source: ModuleSource, fetch: FetchOptions, *, weights: bool = True, to_run: bool = False
) -> AbstractContextManager[Module]:
    """Open the module at a path or URI. `Module.folder` exists until the end of the context.

    Args:
        source: one that `find_sources` returned.
        fetch: how it is read and downloaded.
        weights: whether it will be run or loaded; if not, weights are neither downloaded nor unpacked.
        to_run: whether it will run in a worker, see `hubcheck.module.open_module.open_module`.

    Raises:
        ModuleUnavailable: it changed while it was read.
        Unreachable: a server does not deliver it.
    """
    if isinstance(source, Path):
        from hubcheck.module.open_module import open_module  # not needed for cached reports

        return open_module(source, fetch.limits, fetch.links, weights=weights, to_run=to_run)
    from hubcheck.remote.open_remote import open_remote

    return open_remote(source, fetch, weights=weights, to_run=to_run)


def read(path: str | os.PathLike[str], limits: ReadLimits = LIMITS) -> Module:
    """Return all facts that the files of a module declare, without running it.

    Never raises for the content of the files: `problems` of the result lists what makes them unreadable, and `format`
    is None if nothing could be read at all.

    Unpacked archives and downloads are removed before this returns. The facts stay, but `Module.folder` of such a
    module raises UserError: unpack or download the module yourself and read its folder where you need the files.

    Args:
        path: a module's folder or archive, or the URI of one.
        limits: how much of it is read, at most.

    Raises:
        Unreachable: a server does not deliver it.
    """
    source = parse_source(path)
    links = LinkPolicy(named=named_folders([path]))
    fetch = FetchOptions(limits, None if isinstance(source, Path) else user_cache(), links)
    with open_source(source, fetch, weights=False) as module:
        return module if local_path(source) is not None and module.archive is None else replace(module, files_at=None)
