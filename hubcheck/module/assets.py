"""The files that a graph names as its assets."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hubcheck.module.bounded_read import read_file
from hubcheck.module.limits import ReadLimits
from hubcheck.module.proto import DecodeError, parse
from hubcheck.module.types import Asset, Problem

_LINES_LIMIT = 4 << 20


class Texts:
    """Lines of assets, each file counted once, and no more of them than the limits allow."""

    def __init__(self, root: Path, limits: ReadLimits) -> None:
        self._folder = root / "assets"
        self._left = limits.asset_text_bytes
        self._lines: dict[str, int | None] = {}

    def lines(self, name: str) -> int | None:
        """How many lines of text an asset has; None if it is none, or too large."""
        if name not in self._lines:
            self._lines[name] = self._count(self._folder / name)
        return self._lines[name]

    def is_there(self, name: str) -> bool:
        return os.path.isfile(self._folder / name)  # noqa: PTH113 - pathlib raises for names that are too long

    def _count(self, file: Path) -> int | None:
        try:
            data = read_file(file, largest=min(_LINES_LIMIT, self._left))
            self._left -= len(data)
            return len(data.decode("utf-8").rstrip("\n").splitlines())
        except (OSError, ValueError):
            return None


def assets(meta: Any, texts: Texts, problems: list[Problem]) -> Iterator[Asset]:
    """The assets of a MetaGraphDef, in whichever of the two places it lists them."""
    definitions = list(meta.asset_file_def)
    if not definitions and "saved_model_assets" in meta.collection_def:
        for packed in meta.collection_def["saved_model_assets"].any_list.value:
            try:
                definitions.append(parse("AssetFileDef", packed.value))
            except DecodeError:
                fix = "Export the module again."
                problems.append(Problem("an entry of collection saved_model_assets is no AssetFileDef", fix))
    for definition in definitions:
        name = definition.filename
        inside = _stays_inside(name)
        if inside and not texts.is_there(name):
            fix = "Copy the assets folder from where the module was exported."
            problems.append(Problem(f"asset assets/{name} is missing", fix))
        yield Asset(name, definition.tensor_info.name, texts.lines(name) if inside else None)


def _stays_inside(name: str) -> bool:
    return not name.startswith("/") and ".." not in name.split("/") and "\0" not in name
