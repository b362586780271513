"""A publisher's script, for the examples that import one: `export` copies a module."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.paths import DATA


def export(path: Path, *, format: str = "tf2") -> None:
    """Write a module to `path`."""
    shutil.copytree(DATA / {"tf2": "a_good_feature_vector", "tf1-hub": "b_good_classification"}[format], path)
