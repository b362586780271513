"""The tests that use TensorFlow, on several releases of it, and on each the modules of the others: `make test-matrix`.

    python -m tests.releases FOLDER ENVIRONMENT ENVIRONMENT ...

Every environment has run all parts (or `PARTS`, of the process's environment), and written its modules into FOLDER,
before any modules are exchanged. Prints what fails; exits 1 if anything did.
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
    """An environment with a release of TensorFlow, and the folder that its modules are in."""

    def __init__(self, environment: Path, folder: Path) -> None:
        self.name = environment.name
        self.modules = folder / environment.name
        self._python = environment.absolute() / "bin" / "python"

    def run(self, *command: str, **variables: str) -> bool:
        """Run a command of this environment's Python; whether it went well."""
        print(f"\n== {self.name}: python {' '.join(command)}", flush=True)
        return subprocess.run([self._python, *command], env={**os.environ, **variables}, check=False).returncode == 0

    def test(self) -> bool:
        """All parts. The modules that they make are left in the folder."""
        shutil.rmtree(self.modules, ignore_errors=True)
        self.modules.parent.mkdir(parents=True, exist_ok=True)
        return self.run(*PYTEST, "--dist", "loadfile", f"--basetemp={self.modules}", *CHOSEN)

    def write(self) -> bool:
        """Modules of every kind, where the tests have not made them yet."""
        return self.run("-m", "tests.releases.write", str(self.modules))

    def use(self, other: Release) -> bool:
        """Judge and use the modules of another release."""
        return self.run(*PYTEST, "--dist", "loadfile", "tests/releases/crossing.py", WRITTEN=str(other.modules))

    def statuses(self, other: Release) -> Statuses:
        """What became of each rule on each fixture of a release, by the files alone, with this environment."""
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
    """Rules that say something else on a release's modules, or in a release's environment, than on the first's."""
    first = releases[0]
    wanted = first.statuses(first)
    found = [f"nothing was judged in {first.modules}"] if not wanted else []
    for judge, writer in itertools.product(releases, repeat=2):
        if (judge, writer) != (first, first):
            seen = judge.statuses(writer)
            told = f"judged with {judge.name}, written by {writer.name}"
            found += [f"{name}: {told}: not there" for name in wanted if name not in seen]
            found += [
                f"{name}: {rule}: {told}: {status}, else {wanted[name][rule]}"
                for name, rules in seen.items()
                for rule, status in rules.items()
                if name in wanted and status != wanted[name][rule]
            ]
    return found


def main(folder: Path, environments: Sequence[Path]) -> int:
    """Run everything; the exit status."""
    releases = [Release(environment, folder) for environment in environments]
    failed = [f"{release.name}: its tests" for release in releases if not release.test()]
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
