"""The nearest configuration, for the commands that do not check modules."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from hubcheck.config.file import find_config
from hubcheck.config.rule_folders import rule_folders
from hubcheck.module.links import LinkPolicy
from hubcheck.remote.fetch_options import FetchOptions, user_cache
from hubcheck.remote.sources import named_folders


class Project(NamedTuple):
    """How modules are read and fetched, and the folders of rules and contracts."""

    fetch: FetchOptions
    rule_folders: tuple[Path, ...]


def nearest_project(
    paths: Iterable[str] = (), rules: Iterable[Path] = (), *, links_below: Iterable[Path] = ()
) -> Project:
    """Return the settings of the nearest configuration.

    Args:
        paths: the paths and URIs that the user gave.
        rules: more folders of rules.
        links_below: more folders to whose files links may lead.

    Raises:
        DataFileError: the configuration cannot be used.
    """
    config = find_config()
    links = LinkPolicy(named_folders(paths), (*(config.links_below if config is not None else ()), *links_below))
    if config is None:
        return Project(FetchOptions(cache=user_cache(), links=links), rule_folders(rules))
    return Project(FetchOptions(config.limits, user_cache(), links), rule_folders((*config.rules, *rules)))
