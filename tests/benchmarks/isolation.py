"""What isolation costs: a full validation with the sandbox, and one with resource limits only."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.benchmarks.measure import side_by_side, table
from tests.benchmarks.models import module


def main() -> None:
    """Print a table for MobileNetV2."""
    command = [str(Path(sys.executable).parent / "hubcheck"), "validate", "--no-cache", str(module("mobilenet_v2"))]
    modes = {"sandbox": [*command, "--sandbox", "auto"], "limits only": [*command, "--sandbox", "off"]}
    table("isolation, mobilenet_v2 (goal: x 1.05)", side_by_side(modes, runs=5))


if __name__ == "__main__":
    main()
