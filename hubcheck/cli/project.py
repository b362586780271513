"""The nearest configuration, for the commands that do not check modules."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from hubcheck.config.file import find_config
from hubcheck.config.rule_folders import rule_folders
from hubcheck.remote.fetch_options import FetchOptions, user_cache


class Project(NamedTuple):
    """How modules are read and fetched, and the folders of rules and contracts."""

    fetch: FetchOptions
    rule_folders: tuple[Path, ...]


def nearest_project(rules: Iterable[Path] = ()) -> Project:
    """Return the settings of the nearest configuration; `rules` are more folders of rules.

    Raises:
        DataFileError: the configuration cannot be used.
    """
    config = find_config()
    if config is None:
        return Project(FetchOptions(cache=user_cache()), rule_folders(rules))
    return Project(FetchOptions(config.limits, user_cache()), rule_folders((*config.rules, *rules)))
