"""How the time of probing is spent: TensorFlow's import, loading, calls, repetitions and serving."""

from __future__ import annotations

import time

from hubcheck.module.reader import read
from hubcheck.probe.observations import Observations
from hubcheck.probe.pool import Pool
from hubcheck.rulebook.contract import load_contracts
from tests.benchmarks.models import module


def main() -> None:
    """Print a table: the seconds by kind of step, with one worker and with two."""
    print("\nprobe, seconds by kind of step (wall)")
    print(f"  {'module':14}{'workers':>8}{'ready':>8}{'load':>8}{'calls':>8}{'repeat':>8}{'serve':>8}{'all':>8}")
    for name in ("tiny", "mobilenet_v2", "resnet50"):
        facts = read(module(name))
        for jobs in (1, 2):
            begin = time.perf_counter()
            with Pool(jobs=jobs) as pool:
                seen = pool.submit(facts, load_contracts()).result()
            whole = time.perf_counter() - begin
            parts = _seconds(seen)
            ready = max(0.0, whole - (sum(parts) if jobs == 1 else max(parts[0] / 2 + parts[1], sum(parts[2:]))))
            columns = [ready, *parts, whole]
            print(f"  {name:14}{jobs:8}" + "".join(f"{x:8.2f}" for x in columns))


def _seconds(seen: Observations) -> list[float]:
    """Return the seconds of loading, of calls, of repetitions, and of everything in a session."""
    load = sum(entry.seconds for entry in seen.loads if not entry.session)
    calls = sum(run.seconds for run in seen.runs if run.purpose != "repeated" and not run.target.session)
    repeated = sum(run.seconds for run in seen.runs if run.purpose == "repeated")
    serving = sum(entry.seconds for entry in seen.loads if entry.session)
    serving += sum(run.seconds for run in seen.runs if run.target.session)
    return [load, calls, repeated, serving]


if __name__ == "__main__":
    main()
