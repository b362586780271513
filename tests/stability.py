"""Whether reports depend on anything but the modules: `python -m tests.stability [--modules 80] [--settings 8]`.

Each setting checks the same modules with another number of jobs, hash seed, order, choice of TensorFlow's kernels,
which must not reach workers, or on a cluster; in some of them, processes keep the cores busy. Verdicts, outcomes, and
the rules, places and messages of findings must be the same in all of them. `found` is not compared: it may say by how
much two results differ.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from hubcheck.module.locate import find_modules
from tests.compare import SAMPLES, WORK, decisions
from tests.publishing import published, scripts


class Setting(NamedTuple):
    """Options of `hubcheck validate`, variables of its environment, the seed of the modules' order, and whether the
    cores are busy meanwhile.
    """

    options: tuple[str, ...]
    variables: Mapping[str, str] = MappingProxyType({})
    order: int | None = None
    busy: bool = False


SETTINGS = (
    Setting(("--jobs", "1")),
    Setting(("--jobs", "2"), {"PYTHONHASHSEED": "1"}),
    Setting(("--jobs", "4"), {"PYTHONHASHSEED": "2"}, order=1),
    Setting(("--jobs", "2"), {"TF_ENABLE_ONEDNN_OPTS": "0"}),
    Setting(("--jobs", "2"), {"TF_ENABLE_ONEDNN_OPTS": "1", "PYTHONHASHSEED": "3"}, order=2),
    Setting(("--jobs", "2", "--cluster", "local"), busy=True),
    Setting(("--jobs", "4"), {"OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "4"}, order=3, busy=True),
    Setting(("--jobs", "1", "--sandbox", "off"), {"PYTHONHASHSEED": "5"}, order=4),
)


def report(paths: Sequence[Path], setting: Setting, options: Sequence[str] = ()) -> dict[str, Any]:
    """Return what must be the same for each module in every setting."""
    paths = list(paths)
    if setting.order is not None:
        random.Random(setting.order).shuffle(paths)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "report.json"
        command = [sys.executable, "-m", "hubcheck", "validate", "--no-cache", "--output", str(file)]
        with load((os.cpu_count() or 1) * setting.busy):
            done = subprocess.run(
                [*command, *setting.options, *options, *map(str, paths)],
                env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **setting.variables},
                stdout=subprocess.DEVNULL,
                check=False,
            )
        if done.returncode not in (0, 1, 3):
            raise SystemExit(f"hubcheck exited with {done.returncode} for {setting}")
        modules = json.loads(file.read_text(encoding="utf-8"))["modules"]
    return {module["path"]: decisions(module) | {"messages": _messages(module)} for module in modules}


def _messages(module: dict[str, Any]) -> list[list[Any]]:
    return sorted([found["rule"], found["message"], found["wanted"], found["fix"]] for found in module["findings"])


def differences(paths: Sequence[Path], settings: Sequence[Setting], options: Sequence[str] = ()) -> Iterator[str]:
    """Yield what differs from the first setting, a line for each module and setting."""
    first: dict[str, Any] = {}
    for setting in settings:
        begin = time.monotonic()
        seen = report(paths, setting, options)
        first = first or seen
        print(f"{len(seen)} modules in {time.monotonic() - begin:.0f} s: {setting}", flush=True)
        for path in sorted(first.keys() | seen.keys()):
            one, other = first.get(path, {}), seen.get(path, {})
            if one != other:
                keys = [key for key in one.keys() | other.keys() if one.get(key) != other.get(key)]
                yield f"{path}: " + "; ".join(f"{key}: {one.get(key)} -> {other.get(key)}" for key in sorted(keys))


@contextmanager
def load(count: int) -> Iterator[None]:
    """Keep `count` cores busy meanwhile."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def modules(paths: Sequence[Path], count: int) -> list[Path]:
    """Return some modules, always the same: of those below the paths, or else of the samples and of the fixtures, of
    which only these are published.
    """
    fixtures = [] if paths else [script for script in scripts() if "NEEDS" not in script.constants]
    found = sorted({module for path in paths or SAMPLES for module in find_modules(path)})
    chosen = random.Random(0).sample([*fixtures, *found], min(count, len(fixtures) + len(found)))
    return sorted(one if isinstance(one, Path) else published(one, WORK / "fixtures") for one in chosen)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--modules", type=int, default=80, help="how many")
    parser.add_argument("--settings", type=int, default=len(SETTINGS), help=f"how many, from 2 to {len(SETTINGS)}")
    parser.add_argument("paths", nargs="*", type=Path, help="where to take the modules from")
    given, options = parser.parse_known_args()
    chosen = modules(given.paths, given.modules)
    different = list(differences(chosen, SETTINGS[: given.settings], options))
    print(*different, f"{len(chosen)} modules, {given.settings} settings: {len(different)} differences", sep="\n")
    return 1 if different else 0


if __name__ == "__main__":
    raise SystemExit(main())
