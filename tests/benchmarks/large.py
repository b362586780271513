"""Static checks of modules that are larger than any that was published: how much they take, and how that grows."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tests.benchmarks.groups import Command, Goal, Group, static
from tests.benchmarks.large_checkpoint import write_index
from tests.benchmarks.large_graphs import SHAPES
from tests.benchmarks.models import module
from tests.paths import ROOT

SIZES = (100_000, 1_000_000)
_BUILD = "import pathlib; from tests.benchmarks import {0}; {0}.{1}(pathlib.Path({2!r}), {3})"
_WEIGHTS = 10 << 30
_LIMITS = "[limits]\nnodes = 4_000_000\ntensors = 2_000_000\ntimeout = 600\n"
"""A million nodes or tensors exceed what may be read without these."""


def groups() -> Iterator[Group]:
    with tempfile.TemporaryDirectory(prefix="hubcheck-bench-") as name:
        folder = Path(name)
        (folder / "hubcheck.toml").write_text(_LIMITS, encoding="utf-8")
        for title, build in SHAPES.items():
            yield _grows(title, "nodes", {size: built("large_graphs", build.__name__, folder, size) for size in SIZES})
        yield _grows(
            "checkpoint index",
            "entries",
            {size: built("large_checkpoint", write_index.__name__, folder, size) for size in SIZES},
        )
        heavy = folder / "heavy"
        _with_weights(module("tiny"), heavy)
        commands = {"10 GB of weights": _once(heavy), "the same without": _once(module("tiny"))}
        yield Group("large", commands, [Goal("10 GB of weights", "cpu", 1.05, "the same without")], runs=10)


def _once(path: Path, *options: str) -> Command:
    """The command, which must find nothing: a module that is refused takes no time."""
    return replace(static(*options, str(path)), codes=frozenset({0}), counts=False)


def _grows(title: str, unit: str, paths: dict[int, Path]) -> Group:
    small, large = (f"{title}, {size:,} {unit}" for size in SIZES)
    options = "--config", str(paths[SIZES[0]].parent / "hubcheck.toml")
    commands = {small: _once(paths[SIZES[0]], *options), large: _once(paths[SIZES[1]], *options)}
    goals = [Goal(large, "wall", 10), Goal(large, "memory", 1200), Goal(large, "cpu", 1.1, small, factor=10)]
    return Group("large", commands, goals, runs=1, warm_up=False)


def built(file: str, function: str, folder: Path, size: int) -> Path:
    """Return the folder of a module that another process has written, so that its memory is not measured."""
    path = folder / f"{function}-{size}"
    subprocess.run([sys.executable, "-c", _BUILD.format(file, function, str(path), size)], check=True, cwd=ROOT)
    return path


def _with_weights(source: Path, target: Path) -> None:
    """Copy a module, with weights that go on for 10 GB of zeros, which take no space."""
    for file in source.rglob("*"):
        copy = target / file.relative_to(source)
        if file.is_file():
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(file.read_bytes())
    os.truncate(next(target.rglob("*.data-*")), _WEIGHTS)
