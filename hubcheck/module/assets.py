"""The assets of a graph: files that it reads, and how many lines of text they have."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from hubcheck.module.limits import read_file
from hubcheck.module.links import LeavesModule
from hubcheck.module.module_files import ModuleFiles
from hubcheck.module.proto import DecodeError, parse
from hubcheck.module.types import Asset, Problem
from hubcheck.util.text import text_lines

MAX_ASSET_BYTES = 4 << 20
"""Lines are counted in assets up to this size: lists of class labels are far smaller."""
_MAX_TOTAL_BYTES = 64 << 20


class AssetLines:
    """Counts the lines of assets: each file once, and of all files together a bounded number of bytes."""

    def __init__(self, files: ModuleFiles) -> None:
        self._files = files
        self._left = _MAX_TOTAL_BYTES
        self._lines: dict[str, int | None] = {}

    def count(self, name: str) -> int | None:
        """Return how many lines of text an asset has; None if it is missing, binary or too large."""
        if name not in self._lines:
            self._lines[name] = self._count(name)
        return self._lines[name]

    def exists(self, name: str) -> bool:
        """Return whether the file is there, or is behind a link that is not followed, which is another rule's fault."""
        try:
            return os.path.isfile(self._files.path(f"assets/{name}"))  # noqa: PTH113 - pathlib raises for long names
        except LeavesModule:
            return True

    def _count(self, name: str) -> int | None:
        try:
            data = read_file(self._files.path(f"assets/{name}"), max_bytes=min(MAX_ASSET_BYTES, self._left))
            self._left -= len(data)
            return len(text_lines(data.decode("utf-8")))
        except (OSError, ValueError):
            return None


def assets(meta: Any, lines: AssetLines, problems: list[Problem]) -> Iterator[Asset]:
    """Yield the assets of a MetaGraphDef, from whichever of the two places lists them."""
    definitions = list(meta.asset_file_def)
    if not definitions and "saved_model_assets" in meta.collection_def:
        for packed in meta.collection_def["saved_model_assets"].any_list.value:
            try:
                definitions.append(parse("AssetFileDef", packed.value))
            except DecodeError:
                fix = "Export the module again."
                problems.append(Problem("an entry of collection saved_model_assets is not an AssetFileDef", fix))
    for definition in definitions:
        name = definition.filename
        inside = not name.startswith("/") and ".." not in name.split("/") and "\0" not in name
        if inside and not lines.exists(name):
            fix = "Copy the assets folder from where the module was exported."
            problems.append(Problem(f"asset assets/{name} is missing", fix))
        yield Asset(name, definition.tensor_info.name, lines.count(name) if inside else None)
