"""Many modules of many kinds in one static run: modules a second, and how the coordinator's memory grows."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

from tests.benchmarks.groups import Goal, Group, static
from tests.compare import modules
from tests.paths import modules_at_hand

COUNTS = (500, 2000)
_MAX_BYTES = 2_000_000
"""Larger modules say more about their weights than about the number of modules."""


def groups() -> Iterator[Group]:
    with tempfile.TemporaryDirectory(prefix="hubcheck-bench-", dir=modules_folder()) as name:
        small, large = (f"{count:,} modules of {len(kinds())} kinds" for count in COUNTS)
        commands = {}
        for title, count in zip((small, large), COUNTS, strict=True):
            hub = Path(name, str(count))
            fill(hub, kinds(), count)
            commands[title] = replace(static("--jobs", "2", "--quiet", str(hub)), counts=False)
        goals = [
            Goal(large, "wall", COUNTS[1] / 400),
            Goal(large, "cpu", 1.0, small, factor=COUNTS[1] / COUNTS[0]),
            Goal(large, "memory", 1.1, small),
        ]
        yield Group("fleet", commands, goals, runs=3)


def modules_folder() -> Path:
    """Return a folder of the file system with the modules, since hard links do not lead to another one."""
    return Path(modules()[0]).parents[3]


@cache
def kinds() -> list[Path]:
    """Return all small modules: the fixtures', and those of the test data and of other projects."""
    found = [path for path in modules() if path.name.startswith("module")] + modules_at_hand()
    return [path for path in found if path.is_dir() and _size(path) <= _MAX_BYTES]


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def fill(hub: Path, kinds: list[Path], count: int) -> None:
    """Fill a folder with modules of all kinds in turn, made of hard links."""
    for number in range(count):
        source = kinds[number % len(kinds)]
        shutil.copytree(source, hub / f"{number:05}-{source.parent.name}", symlinks=True, copy_function=os.link)
