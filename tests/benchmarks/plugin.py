"""The cost of the pytest plugin for a run that does not use it."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.benchmarks.measure import side_by_side, table


def main() -> None:
    """Print one table."""
    with tempfile.TemporaryDirectory() as folder:
        test = Path(folder) / "test_nothing.py"
        test.write_text("def test_nothing():\n    pass\n", encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", folder, str(test)]
        figures = side_by_side({"with hubcheck": command, "-p no:hubcheck": [*command, "-p", "no:hubcheck"]}, runs=9)
    table("start of pytest", figures)
    ours, without = figures.values()
    print(f"  the plugin costs {1000 * (ours.cpu - without.cpu):.0f} ms of CPU time (goal: at most 10)")


if __name__ == "__main__":
    main()
