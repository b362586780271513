"""Measure commands alternately, so that a machine whose speed drifts does not favour one of them."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figures:
    """Medians over the runs of a command: wall and CPU seconds, peak resident megabytes of its largest process."""

    wall: float
    cpu: float
    memory: float


def side_by_side(
    commands: Mapping[str, Sequence[str]], *, runs: int, codes: frozenset[int] = frozenset({0})
) -> dict[str, Figures]:
    """Run every command once to warm up, then all alternately `runs` times.

    Raises:
        RuntimeError: a command exits with a code other than `codes`.
    """
    seen: dict[str, list[tuple[float, float, float]]] = {name: [] for name in commands}
    for turn in range(runs + 1):
        for name, command in commands.items():
            figures = _once(command, codes)
            if turn:
                seen[name].append(figures)
    return {name: Figures(*map(statistics.median, zip(*rows, strict=True))) for name, rows in seen.items()}


def _once(command: Sequence[str], codes: frozenset[int]) -> tuple[float, float, float]:
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=_environment())
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - begin
    if process.returncode not in codes:
        raise RuntimeError(f"{' '.join(command)} exited with {process.returncode}")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def _environment() -> dict[str, str]:
    """Return our environment with byte code enabled, which a checkout writes in the warm-up and packages have."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def table(title: str, figures: Mapping[str, Figures]) -> None:
    """Print the figures and their ratios to the last row."""
    print(f"\n{title}")
    *_, last = figures.values()
    for name, row in figures.items():
        ratio = row.wall / last.wall
        print(f"  {name:44} {row.wall:7.2f} s  cpu {row.cpu:6.2f} s  {row.memory:6.0f} MB   x {ratio:.3f}")
