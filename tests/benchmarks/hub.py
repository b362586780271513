"""A synthetic hub: `python -m tests.benchmarks.hub 2000 [--kill]` creates modules, good and damaged, and checks them.

Seeds are fixed, so module number n is always the same. With --kill, random worker processes are killed during the run
(with `--cluster local`, Dask workers), and the reports are compared with those of a run in one process.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from hubcheck.engine.module_report import ModuleReport
from hubcheck.run.options import Options
from hubcheck.run.resolved import resolve
from hubcheck.run.validate import stream
from tests.fuzz.campaign import memory_now
from tests.fuzz.seeds import Seed, seeds
from tests.fuzz.targets import structure

DAMAGED = 0.3
"""The fraction of modules that are damaged."""


def make(folder: Path, count: int, chosen: list[Seed]) -> list[Path]:
    """Create `count` modules: copies of the seeds, some with mutated messages."""
    made = []
    for number in range(count):
        rng = random.Random(number)
        seed = rng.choice(chosen)
        files = dict(seed.files)
        if rng.random() < DAMAGED:
            files.update(structure(rng, seed))
        module = folder / f"{number:06}-{seed.name}"
        for name, data in files.items():
            (module / name).parent.mkdir(parents=True, exist_ok=True)
            (module / name).write_bytes(data)
        made.append(module)
    return made


def checked(modules: list[Path], options: Options, *, kill: bool) -> Iterator[ModuleReport]:
    """Yield the reports; with `kill`, kill a worker every 50 reports, or once after half of the modules."""
    rng = random.Random(0)
    every = min(50, len(modules) // 2)
    for number, report in enumerate(stream(modules, resolve(options))):
        if kill and number % every == every // 2:
            workers = _workers("spawn_main" if options.cluster else "hubcheck.run.worker")
            if workers:
                os.kill(rng.choice(workers), signal.SIGKILL)
        yield replace(report, elapsed_s=0)


def _workers(name: str) -> list[int]:
    """Return the ids of child processes whose command contains the name."""
    rows = subprocess.run(["ps", "-wweo", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    parents = {int(row.split()[0]): int(row.split()[1]) for row in rows.splitlines()}
    ours = {os.getpid()}
    for _ in range(4):
        ours |= {pid for pid, parent in parents.items() if parent in ours}
    return [pid for row in rows.splitlines() if name in row and (pid := int(row.split()[0])) in ours]


def main() -> None:
    """Create the hub, check it, and print the rate, the memory of this process, the verdicts and the failed rules."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int, nargs="?", default=2000)
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--kill", action="store_true")
    parser.add_argument("--run", action="store_true", help="run the modules too")
    parser.add_argument("--cluster", help="use the workers of a Dask cluster: its address, or `local`")
    given = parser.parse_args()
    options = Options(static=not given.run, jobs=given.jobs, cluster=given.cluster)
    with tempfile.TemporaryDirectory(prefix="hubcheck-hub-") as folder:
        modules = make(Path(folder), given.count, seeds())
        before, begin = memory_now(), time.monotonic()
        verdicts: Counter[str] = Counter()
        rules: Counter[str] = Counter()
        kept = []
        for report in checked(modules, options, kill=given.kill):
            verdicts[report.verdict] += 1
            rules.update({finding.rule for finding in report.findings})
            if given.kill:
                kept.append(report)
        seconds = time.monotonic() - begin
        print(f"{given.count} modules in {seconds:.1f} s: {given.count / seconds:.1f} per second, {given.jobs} jobs")
        print(f"this process: {memory_now() / 1e6:.1f} MB, {before / 1e6:.1f} MB before")
        print(", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items())))
        print(", ".join(f"{rule} {count}" for rule, count in rules.most_common(8)))
        if given.kill:
            same = kept == list(checked(modules, replace(options, jobs=1, cluster=None), kill=False))
            print("the reports equal those of one process" if same else "the reports DIFFER from those of one process")


if __name__ == "__main__":
    main()
