"""A hub over a cluster whose workers come and go: `python -m tests.run.cluster_soak [MODULES]`, 300 by default.

One worker has other code of the same version, which finds every module good, and one does not see the modules. The
others are killed during the run and new ones join; in the end the scheduler is killed, and the run is repeated on
another cluster. The reports must be those of one process, whatever part of them the cache had. Checks are static.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from tests.benchmarks.hub import make
from tests.compare import decisions
from tests.fuzz.seeds import seeds
from tests.paths import ROOT

DASK = [sys.executable, "-P", "-m", "dask"]
EVENTS = (0.05, 0.2, 0.35, 0.5)
"""After which shares of the modules a worker is killed and another one joins."""
SCHEDULER_DIES = 0.65


class Fleet(ExitStack):
    """A scheduler and its workers, each in a process group of its own. Leaving the context kills them."""

    def __init__(self, hub: Path, other_code: Path) -> None:
        super().__init__()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        self.scheduler = self._start([*DASK, "scheduler", "--host", self.address, "--no-dashboard"])
        self._worker = [*DASK, "worker", self.address, "--nthreads", "1", "--no-dashboard"]
        self._start(self._worker, PYTHONPATH=str(other_code))
        apart = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
        self.hides = subprocess.run([*apart, "true"], check=False, capture_output=True).returncode == 0
        if self.hides:
            self._start([*apart, f"mount -t tmpfs none {hub} && exec {' '.join(self._worker)}"])
        self.workers = [self._start(self._worker) for _ in range(2)]

    def exchange(self) -> None:
        """Kill the oldest worker, and start another one."""
        kill(self.workers.pop(0))
        self.workers.append(self._start(self._worker))

    def _start(self, command: list[str], **variables: str) -> subprocess.Popen[bytes]:
        quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
        process: subprocess.Popen[bytes] = subprocess.Popen(command, env={**os.environ, **variables}, **quiet)
        self.callback(process.wait)
        self.callback(kill, process)
        return process


def kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def changed_copy(folder: Path) -> Path:
    """Return a copy of hubcheck that finds every module good."""
    for name in ("hubcheck", "rules"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    with (folder / "hubcheck" / "engine" / "module_report.py").open("a", encoding="utf-8") as code:
        code.write("\nModuleReport.verdict = property(lambda report: 'conforms')\nModuleReport.findings = ()\n")
    return folder


def check(
    hub: Path, *options: str, variables: Mapping[str, str], on_each: Callable[[int], object] = bool
) -> tuple[dict[str, Any], dict[str, int], str]:
    """Return the modules of a report by path, its summary and what was printed as errors; `on_each` gets the counts."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "report.json"
        command = [sys.executable, "-m", "hubcheck", "validate", "--static", "--format", "jsonl", *options]
        with (
            (Path(folder) / "errors").open("w+", encoding="utf-8") as errors,
            subprocess.Popen(
                [*command, "--output", str(file), str(hub)],
                env={**os.environ, **variables},
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            ) as process,
        ):
            assert process.stdout is not None
            for number, _ in enumerate(process.stdout):
                on_each(number)
        printed = (Path(folder) / "errors").read_text(encoding="utf-8")
        if process.returncode not in (0, 1, 3):
            raise SystemExit(f"hubcheck exited with {process.returncode}: {printed[-2000:]}")
        report = json.loads(file.read_text(encoding="utf-8"))
    return {module["path"]: judged(module) for module in report["modules"]}, report["summary"], printed


def judged(module: dict[str, Any]) -> dict[str, Any]:
    messages = [[found["rule"], found["message"], found["found"], found["wanted"]] for found in module["findings"]]
    return decisions(module) | {"messages": sorted(messages, key=str)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("modules", type=int, nargs="?", default=300)
    count = parser.parse_args().modules
    with tempfile.TemporaryDirectory(prefix="cluster-soak-") as folder:
        hub, other = Path(folder) / "hub", changed_copy(Path(folder) / "other")
        make(hub, count, seeds())
        begin = time.monotonic()
        alone, _, _ = check(hub, "--jobs", "1", "--no-cache", variables={})
        print(f"one process: {len(alone)} modules in {time.monotonic() - begin:.0f} s", flush=True)
        cache = {"XDG_CACHE_HOME": str(Path(folder) / "cache")}
        exchanged = 0
        with Fleet(hub, other) as fleet:

            def disturb(number: int) -> None:
                nonlocal exchanged
                if number in {int(share * count) for share in EVENTS}:
                    fleet.exchange()
                    exchanged += 1
                elif number == int(SCHEDULER_DIES * count):
                    kill(fleet.scheduler)

            begin = time.monotonic()
            first, _, printed = check(hub, "--cluster", fleet.address, variables=cache, on_each=disturb)
            undone = [path for path, module in first.items() if module["verdict"] == "incomplete"]
            blind = "with" if fleet.hides else "WITHOUT"
            print(f"cluster {blind} a worker that sees nothing, {exchanged} workers killed, then the scheduler:")
            print(f"  {len(first)} reports, {len(undone)} incomplete, in {time.monotonic() - begin:.0f} s", flush=True)
            refused = "other code" in printed
            lost = len(undone) > count - int(SCHEDULER_DIES * count)
        with Fleet(hub, other) as fleet:
            begin = time.monotonic()
            second, summary, _ = check(hub, "--cluster", fleet.address, variables=cache)
            cached = summary["cached"]
            print(f"resumed: {len(second)} reports, {cached} of them cached, in {time.monotonic() - begin:.0f} s")
    wrong = [path for path in alone if second.get(path) != alone[path]]
    early = [path for path in alone if path not in undone and first.get(path) != alone[path]]
    print(f"a worker with other code was refused: {refused}; {len(early) + len(wrong)} reports differ", *wrong[:5])
    resumed = exchanged == len(EVENTS) and undone and cached >= count - len(undone)
    return 0 if refused and resumed and not (lost or early or wrong) else 1


if __name__ == "__main__":
    raise SystemExit(main())
