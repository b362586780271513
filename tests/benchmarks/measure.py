"""Measure commands in turn, as whole processes."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from tests.benchmarks.groups import Command, Group

Figures = dict[str, list[float]]
"""The values of each figure, one for each run."""
Name = tuple[Path, str]
"""A source tree, and the name of a command."""
_COUNT = ("--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null")


def measure(group: Group, trees: list[Path]) -> dict[Name, Figures]:
    """Run the commands of a group in turn, with the hubcheck of each tree, after a warm-up if the group wants one.

    Raises:
        RuntimeError: a command exits with another code than it may.
    """
    seen: dict[Name, Figures] = {}
    for turn in range(0 if group.warm_up else 1, group.runs + 1):
        for name, command in group.commands.items():
            for tree in trees if command.is_ours else trees[:1]:
                figures = _once(command, tree)
                for figure, value in figures.items() if turn else ():
                    seen.setdefault((tree, name), {}).setdefault(figure, []).append(value)
    for (tree, name), known in seen.items():
        if group.commands[name].counts and (count := _instructions(group.commands[name], tree)) is not None:
            known["instructions"] = [count]
    return seen


def _once(command: Command, tree: Path) -> dict[str, float]:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryDirectory() as empty:
        begin = time.perf_counter()
        process = subprocess.Popen(
            command.arguments, stdout=out, stderr=subprocess.DEVNULL, env=_environment(command, tree), cwd=empty
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in command.codes:
            raise RuntimeError(f"{' '.join(command.arguments)} exited with {process.returncode}")
        figures = {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "memory": usage.ru_maxrss / 1024}
        if command.prints_figures:
            out.seek(0)
            figures |= json.loads(out.read().splitlines()[-1])
    return figures


def _instructions(command: Command, tree: Path) -> float | None:
    """Return the millions of instructions of a command, which no load of the machine changes; None without valgrind."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        return None
    done = subprocess.run(
        [valgrind, *_COUNT, *command.arguments],
        env=_environment(command, tree),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    found = re.search(r"I\s+refs:\s+([\d,]+)", done.stderr)
    return int(found[1].replace(",", "")) / 1e6 if found else None


def _environment(command: Command, tree: Path) -> Mapping[str, str]:
    """Return the environment, with byte code enabled, which a checkout writes in the warm-up and packages have."""
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**variables, "PYTHONPATH": str(tree), **(command.environment or {})}
