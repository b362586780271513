"""`make test-matrix`: run the tests on several releases of TensorFlow, and check on each the modules of the others.

    python -m tests.releases FOLDER ENVIRONMENT ENVIRONMENT ...

Each environment first runs all parts (or those of the environment variable PARTS) and writes its modules to FOLDER;
then the modules are exchanged. Prints the failures; exits with 1 if there are any.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.releases import PARTS

JOBS = os.environ.get("JOBS", "2")
CHOSEN = os.environ.get("PARTS", "").split() or PARTS
PYTEST = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", JOBS)

Statuses = dict[str, dict[str, str]]


class Release:
    """A virtual environment with a release of TensorFlow, and the folder of the modules that it writes."""

    def __init__(self, environment: Path, folder: Path) -> None:
        self.name = environment.name
        self.modules = folder / environment.name
        self._python = environment.absolute() / "bin" / "python"

    def run(self, *command: str, **variables: str) -> bool:
        """Run this environment's Python; return whether it succeeded."""
        print(f"\n== {self.name}: python {' '.join(command)}", flush=True)
        return subprocess.run([self._python, *command], env={**os.environ, **variables}, check=False).returncode == 0

    def test(self) -> bool:
        """Run all parts; the modules that they write stay in the folder."""
        shutil.rmtree(self.modules, ignore_errors=True)
        self.modules.parent.mkdir(parents=True, exist_ok=True)
        return self.run(*PYTEST, "--dist", "loadfile", f"--basetemp={self.modules}", *CHOSEN)

    def write(self) -> bool:
        """Write modules of every kind that the tests have not written yet."""
        return self.run("-m", "tests.releases.write", str(self.modules))

    def use(self, other: Release) -> bool:
        """Check and use the modules of another release."""
        return self.run(*PYTEST, "--dist", "loadfile", "tests/releases/crossing.py", WRITTEN=str(other.modules))

    def statuses(self, other: Release) -> Statuses:
        """Return the status of each rule on each fixture of a release, checked statically in this environment."""
        report = self.modules / f"static-{other.name}.json"
        fixtures = other.modules / "fixtures"
        options = ("--static", "--no-cache", "--format=jsonl", f"--output={report}")
        command = [self._python, "-m", "hubcheck", "validate", *options, str(fixtures)]
        subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
        modules: list[dict[str, Any]] = json.loads(report.read_text(encoding="utf-8"))["modules"]
        return {
            str(Path(module["path"]).relative_to(fixtures)): {o["rule"]: o["status"] for o in module["outcomes"]}
            for module in modules
        }


def differences(releases: Sequence[Release]) -> list[str]:
    """Return where a rule's status depends on the release that wrote the module or that checks it."""
    first = releases[0]
    expected = first.statuses(first)
    found = [f"nothing was checked in {first.modules}"] if not expected else []
    for checker, writer in itertools.product(releases, repeat=2):
        if (checker, writer) != (first, first):
            seen = checker.statuses(writer)
            where = f"checked with {checker.name}, written with {writer.name}"
            found += [f"{name}: {where}: missing" for name in expected if name not in seen]
            found += [
                f"{name}: {rule}: {where}: {status}, otherwise {expected[name][rule]}"
                for name, rules in seen.items()
                for rule, status in rules.items()
                if name in expected and status != expected[name][rule]
            ]
    return found


def main(folder: Path, environments: Sequence[Path]) -> int:
    """Run everything; return the exit status."""
    releases = [Release(environment, folder) for environment in environments]
    failed = [f"{release.name}: tests" for release in releases if not release.test()]
    failed += [f"{release.name}: writing modules" for release in releases if not release.write()]
    if any("writing" in failure for failure in failed):
        print("\nNothing to exchange:", *failed, sep="\n")
        return 1
    for user, writer in itertools.permutations(releases, 2):
        if not user.use(writer):
            failed.append(f"{user.name}: the modules of {writer.name}")
    failed += differences(releases)
    print(f"\n{len(releases)} releases, {len(failed)} failures", *failed, sep="\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), [Path(argument) for argument in sys.argv[2:]]))
