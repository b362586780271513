"""A publisher's script, for the examples that import one: `build().export` copies a module."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.paths import DATA


class _Module:
    def export(self, path: Path, *, default: str, format: str = "tf2") -> None:
        """Write a module to `path`."""
        assert default == "image_feature_vector"
        shutil.copytree(DATA / {"tf2": "a_good_feature_vector", "tf1-hub": "b_good_classification"}[format], path)


def build() -> _Module:
    """Return a module, as publish.py of a new project does."""
    return _Module()
