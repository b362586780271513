"""Compare the reports of this checkout with those of another revision: `python -m tests.compare REVISION [PATH ...]`.

Both validate the same modules: every fixture, tests/data, and the samples of other projects where they are there, or
the given paths. Verdicts, outcomes and the places of findings must be equal; differences of wording are counted.
Arguments that start with `--` are options of `hubcheck validate`. Exits with 1 on a difference.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.paths import DATA, ROOT, SHARED
from tests.publishing import published, scripts

WORK = ROOT / "build" / "compare"
SAMPLES = (DATA, *(root for root in (SHARED, SHARED.with_name("cases")) if root.is_dir()))
WORDING = ("message", "found", "wanted", "fix", "reason", "replay", "source")


def modules() -> list[Path]:
    """Every module to compare on: the fixtures are published into build/compare, once."""
    fixtures = [published(script, WORK / "fixtures") for script in scripts() if "NEEDS" not in script.constants]
    return [*fixtures, *SAMPLES]


def checkout(revision: str) -> Path:
    """Return a worktree of a revision below build/compare, made on the first call."""
    name = subprocess.run(
        ["git", "rev-parse", "--short", revision], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()
    folder = WORK / name
    if not folder.exists():
        subprocess.run(["git", "worktree", "add", "--detach", str(folder), name], cwd=ROOT, check=True)
    return folder


def reports(tree: Path, paths: Iterable[Path], options: Iterable[str]) -> dict[str, Any]:
    """Validate `paths` with the hubcheck of a source tree: its JSON reports by module path."""
    out = WORK / f"{tree.name}.json"
    command = [sys.executable, "-m", "hubcheck", "validate", "--no-cache", "--output", str(out), *options]
    environment = os.environ | {"PYTHONPATH": str(tree), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [*command, *map(str, paths)], cwd=WORK, env=environment, check=False, stdout=subprocess.DEVNULL
    )
    if done.returncode not in (0, 1, 3):
        raise SystemExit(f"hubcheck of {tree} exited with {done.returncode}")
    return {module["path"]: module for module in json.loads(out.read_text(encoding="utf-8"))["modules"]}


def decisions(module: dict[str, Any]) -> dict[str, Any]:
    """What must not change in a report: everything but wording and time."""
    findings = [{k: v for k, v in f.items() if k not in WORDING} for f in module["findings"]]
    outcomes = {o["rule"]: [o["level"], o["status"], o["decided_by"]] for o in module["outcomes"]}
    return {
        "format": module["format"],
        "verdict": module["verdict"],
        "devices": [[device["name"], device["ran"]] for device in module["devices"]],
        "findings": sorted(findings, key=lambda finding: json.dumps(finding, sort_keys=True)),
        **{f"outcome of {rule}": outcome for rule, outcome in outcomes.items()},
    }


def wording(module: dict[str, Any]) -> list[Any]:
    return [[item.get(key) for key in WORDING] for item in (*module["findings"], *module["outcomes"])]


def main(revision: str, *given: str) -> int:
    options = [argument for argument in given if argument.startswith("--")]
    WORK.mkdir(parents=True, exist_ok=True)
    paths = [Path(argument).resolve() for argument in given if not argument.startswith("--")] or modules()
    before, after = (reports(tree, paths, options) for tree in (checkout(revision), ROOT))
    differing = reworded = 0
    for path in sorted(before.keys() | after.keys()):
        old, new = (decisions(side[path]) if path in side else {} for side in (before, after))
        changes = [key for key in (old | new) if old.get(key) != new.get(key)]
        differing += bool(changes)
        if not changes:
            reworded += wording(before[path]) != wording(after[path])
        for key in changes:
            print(f"{path}: {key}\n  before: {json.dumps(old.get(key))}\n  after:  {json.dumps(new.get(key))}")
    print(f"{len(before)} modules: {differing} judged differently, {reworded} alike but for the wording")
    return int(differing > 0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
