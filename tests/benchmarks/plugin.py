"""The cost of the pytest plugin for a run that does not use it."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.groups import Command, Goal, Group


def groups() -> Iterator[Group]:
    with tempfile.TemporaryDirectory() as folder:
        test = Path(folder) / "test_nothing.py"
        test.write_text("def test_nothing():\n    pass\n", encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", folder, str(test)]
        commands = {"with hubcheck": Command(command), "-p no:hubcheck": Command([*command, "-p", "no:hubcheck"])}
        yield Group("start of pytest", commands, [Goal("with hubcheck", "cpu", 1.05, "-p no:hubcheck")], runs=9)
