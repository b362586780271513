"""Many modules with probes in one run: against bare scripts, as a fleet, and on a cluster of this machine."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.fleet import fill, kinds, modules_folder
from tests.benchmarks.full import BARE
from tests.benchmarks.groups import HUBCHECK, Command, Goal, Group
from tests.benchmarks.models import module

_FLEET, _ON_CLUSTER = 200, 40


def groups() -> Iterator[Group]:
    with tempfile.TemporaryDirectory(prefix="hubcheck-bench-", dir=modules_folder()) as name:
        folder = Path(name)
        many = [module("tiny")] * 10 + [module("mobilenet_v2")] * 6 + [module("resnet50")] * 4
        for number, path in enumerate(many):
            shutil.copytree(path, folder / "mixed" / f"{number:02}_{path.name}", symlinks=True)
        twenty = ["sh", "-c", 'for path; do "$0" -c "$BARE" "$path" || exit; done', sys.executable, *map(str, many)]
        commands = {
            "20 modules": _full(str(folder / "mixed")),
            "20 bare scripts": Command(twenty, is_ours=False, environment={"BARE": BARE}),
        }
        yield Group("full", commands, [Goal("20 modules", "wall", 0.4, "20 bare scripts")], runs=1, warm_up=False)

        title = f"{_FLEET} modules of {len(kinds())} kinds"
        fill(folder / "fleet", kinds(), _FLEET)
        fleet = {title: _full("--jobs", "2", "--quiet", str(folder / "fleet"))}
        yield Group("full", fleet, [Goal(title, "wall"), Goal(title, "cpu"), Goal(title, "memory")], 1, warm_up=False)

        for number in range(_ON_CLUSTER):
            shutil.copytree(module("tiny"), folder / "cluster" / f"{number:02}", symlinks=True)
        paths = ("--quiet", str(folder / "cluster"))
        there, here = (f"{_ON_CLUSTER} modules, {how}" for how in ("--cluster local", "--jobs 2"))
        both = {there: _full("--cluster", "local", *paths), here: _full("--jobs", "2", *paths)}
        yield Group("full", both, [Goal(there, "wall", 1.2, here)], runs=1)


def _full(*options: str) -> Command:
    return Command([HUBCHECK, "validate", "--no-cache", *options], frozenset({0, 1, 3}))
