"""Real modules to mutate: test data, modules of other projects, and what fixture scripts publish."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hubcheck.module.proto import DecodeError, parse
from tests.paths import modules_at_hand

LARGEST = 400_000
"""Bytes of a proto; larger ones take longer and have nothing that smaller ones lack."""
SMALL_SHARD = 300_000


@dataclass(frozen=True)
class Seed:
    """The files of a module by their relative paths."""

    name: str
    files: dict[str, bytes]


def seeds(*more: Path) -> list[Seed]:
    """Return the small modules of the test data and those below the folders `more`."""
    found = [file.parent for folder in more for file in folder.rglob("saved_model.pb")]
    found += modules_at_hand()
    return [read(module) for module in sorted(found) if _is_whole(module / "saved_model.pb")]


def _is_whole(file: Path) -> bool:
    try:
        return file.stat().st_size <= LARGEST and bool(parse("SavedModel", file.read_bytes()).meta_graphs)
    except DecodeError:
        return False


def read(module: Path) -> Seed:
    """Read a module as a seed, without large weights."""
    files = {}
    for file in sorted(module.rglob("*")):
        if file.is_file() and file.stat().st_size <= max(LARGEST, SMALL_SHARD):
            files[str(file.relative_to(module))] = file.read_bytes()
    return Seed(module.name, files)
