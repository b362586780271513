"""The table of results: a row for each goal, for people, and as JSON with the machine and the date."""

from __future__ import annotations

import json
import math
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from tests.benchmarks.groups import Goal, Group
from tests.benchmarks.measure import Figures
from tests.paths import ROOT

_UNITS = {"wall": "s", "cpu": "s CPU", "memory": "MB", "instructions": "M instr."}
HEADINGS = ("what", "median", "spread", "compared with", "ratio", "goal", "met")


@dataclass(frozen=True, slots=True)
class Row:
    """A figure of a command over its runs, and whether it meets its goal.

    `low` and `high` are the smallest and largest value; `ratio` is the median of the ratios to the other command, run
    by run, and None without one; where the inputs differ by `factor`, it is the exponent of growth.
    """

    group: str
    command: str
    figure: str
    median: float
    low: float
    high: float
    runs: int
    times: str | None
    ratio: float | None
    goal: float | None
    at_least: bool
    met: bool | None
    factor: float | None = None

    def cells(self) -> tuple[str, ...]:
        """Return the texts of the row."""
        unit = _UNITS.get(self.figure, self.figure)
        sign = "n^" if self.factor else "×" if self.times else ""
        goal = "" if self.goal is None else f"{'≥' if self.at_least else '≤'} {sign}{number(self.goal)}"
        return (
            f"{self.group}: {self.command}",
            f"{number(self.median)} {unit}",
            f"{number(self.low)} to {number(self.high)}" if self.runs > 1 else "",
            self.times or "",
            f"{sign}{self.ratio:.2f}" if self.ratio is not None else "",
            goal,
            {True: "yes", False: "NO", None: ""}[self.met],
        )


def row(group: Group, goal: Goal, figures: Mapping[str, Figures]) -> Row | None:
    """Return the row of a goal; None if its figure was not measured, as instructions are not everywhere."""
    values = figures[goal.command].get(goal.figure)
    if values is None:
        return None
    ratio = None
    if goal.times is not None:
        ratio = statistics.median(a / b for a, b in zip(values, figures[goal.times][goal.figure], strict=False))
        if goal.factor is not None:
            ratio = math.log(ratio) / math.log(goal.factor)
    median = statistics.median(values)
    met = goal.is_met(median if ratio is None else ratio)
    return Row(
        group.title, goal.command, goal.figure, median, min(values), max(values), len(values), goal.times, ratio,
        goal.limit, goal.at_least, met, goal.factor,
    )  # fmt: skip


def number(value: float) -> str:
    """Return a number with three digits that count."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def lines(cells: Iterable[tuple[str, ...]], headings: tuple[str, ...] = HEADINGS) -> list[str]:
    """Return the lines of a Markdown table, with columns of equal width."""
    rows = [headings, *cells]
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    text = [f"| {' | '.join(map(str.ljust, row, widths))} |" for row in rows]
    return [text[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *text[1:]]


def document(rows: Iterable[Row]) -> dict[str, Any]:
    """Return the results of a part as they are kept: the rows, and where and when they were measured."""
    return {"created": time.strftime("%Y-%m-%d", time.gmtime()), **_machine(), "rows": [asdict(row) for row in rows]}


def summary(results: Mapping[str, Any]) -> str:
    """Return where and when results were measured, in one line."""
    return (
        f"Measured on {results['created']} at revision {results['revision']}: {results['cores']} cores of"
        f" {results['cpu']}, {results['memory_gb']} GB, Python {results['python']}, TensorFlow {results['tensorflow']},"
        f" {results['load']:.1f} processes waiting for a core besides."
    )


def _machine() -> dict[str, Any]:
    head = ["git", "describe", "--always", "--dirty"]
    info = Path("/proc/cpuinfo")
    names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line]
    return {
        "revision": subprocess.run(head, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip(),
        "cpu": names[0] if names else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "tensorflow": next((metadata.version(d) for d in ("tensorflow", "tensorflow-cpu") if _has(d)), "none"),
    }


def _has(distribution: str) -> bool:
    return bool(list(metadata.distributions(name=distribution)))


def write(file: Path, part: str, results: Mapping[str, Any]) -> None:
    """Write the results of a part as JSON, beside those of the other parts that the file has."""
    file.parent.mkdir(parents=True, exist_ok=True)
    parts = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    parts[part] = results
    file.write_text(json.dumps(parts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read(file: Path) -> dict[str, tuple[list[Row], str]]:
    """Return the rows of each part in a file that `write` wrote, and where and when they were measured."""
    parts = json.loads(file.read_text(encoding="utf-8"))
    return {part: ([Row(**row) for row in found["rows"]], summary(found)) for part, found in parts.items()}
