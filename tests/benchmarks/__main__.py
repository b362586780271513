"""`make bench` runs all; `python -m tests.benchmarks static` runs one."""

from __future__ import annotations

import importlib
import sys

PARTS = ("static", "full", "isolation", "cache", "plugin", "graph")

for part in sys.argv[1:] or PARTS:
    importlib.import_module(f"tests.benchmarks.{part}").main()
