"""`hubcheck validate --static` compared with `saved_model_cli show --all`."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.benchmarks.measure import side_by_side, table
from tests.benchmarks.models import module

BIN = Path(sys.executable).parent


def main() -> None:
    """Print one table per model."""
    for name in ("tiny", "mobilenet_v2", "resnet50"):
        path = str(module(name))
        figures = side_by_side(
            {
                "hubcheck validate --static --no-cache": [
                    str(BIN / "hubcheck"),
                    "validate",
                    "--static",
                    "--no-cache",
                    path,
                ],
                "saved_model_cli show --all": [str(BIN / "saved_model_cli"), "show", "--dir", path, "--all"],
            },
            runs=5,
        )
        table(f"static, {name}", figures)
        ours, theirs = figures.values()
        print(f"  {theirs.wall / ours.wall:.1f} times faster (goal: 20); {ours.memory:.0f} MB (goal: at most 50)")


if __name__ == "__main__":
    main()
