"""The same command with an empty cache and with its cached reports."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.benchmarks.hub import make
from tests.benchmarks.measure import Figures, side_by_side, table
from tests.benchmarks.models import module
from tests.fuzz.seeds import seeds

MODULES = 500


def main() -> None:
    """Print a table for a module with probes, for one without, and for a hub."""
    with tempfile.TemporaryDirectory(prefix="hubcheck-bench-") as name:
        folder = Path(name)
        make(folder / "hub", MODULES, seeds())
        compare("with probes, mobilenet_v2", folder, goal=20, path=module("mobilenet_v2"))
        compare("static, mobilenet_v2", folder, "--static", goal=3, path=module("mobilenet_v2"))
        compare(f"static, a hub of {MODULES} modules", folder, "--static", goal=3, path=folder / "hub")


def compare(title: str, folder: Path, *options: str, goal: int, path: Path) -> None:
    """Measure and print."""
    command = [str(Path(sys.executable).parent / "hubcheck"), "validate", *options, str(path)]
    fresh = f'cd {folder}; XDG_CACHE_HOME={folder}/$$ exec "$@"'
    cached = f'cd {folder}; XDG_CACHE_HOME={folder}/cached exec "$@"'
    figures: dict[str, Figures] = side_by_side(
        {"empty cache": ["sh", "-c", fresh, "sh", *command], "all cached": ["sh", "-c", cached, "sh", *command]},
        runs=3,
        codes=frozenset({0, 1}),
    )
    table(f"cache, {title}", figures)
    cold, warm = figures.values()
    print(f"  {cold.wall / warm.wall:.1f} times faster (goal: {goal})")


if __name__ == "__main__":
    main()
