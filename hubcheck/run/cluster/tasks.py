"""What runs on Dask workers. Each of their threads has a worker process of its own (run/processes.py).

A module that kills the process that checks it does not end the Dask worker.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import distributed

from hubcheck.module.uri import parse_source
from hubcheck.run.cache import tensorflow_releases
from hubcheck.run.code_digests import CodeDigests, code_digests
from hubcheck.run.options import Options
from hubcheck.run.processes import NotVisible, WorkerProcesses
from hubcheck.run.reading_bounds import ReadingBounds

_runs: dict[str, tuple[WorkerProcesses, ReadingBounds | None]] = {}
"""The worker processes of the runs that this Dask worker takes part in."""


class Answer(NamedTuple):
    """What became of a task: the address of the Dask worker, and one of the others if it has checked the module.

    Attributes:
        worker: the address of the Dask worker.
        report: the report as a line of JSON.
        not_visible: why the module was not checked, if this machine does not see it.
    """

    worker: str
    report: bytes | None = None
    not_visible: str | None = None


def prepare(run: str, options: Options, folder: Path) -> tuple[CodeDigests, list[str]]:
    """Get ready to check modules in a run; return the digests of the code and TensorFlow's releases on this machine.

    Args:
        run: the name of the run.
        options: what to check, and how.
        folder: the folder that relative paths start from.
    """
    digests = code_digests(folder / rules for rules in options.rules)
    threads = distributed.get_worker().state.nthreads
    bounds = ReadingBounds.of(options, threads) if options.static else None
    _runs.setdefault(run, (WorkerProcesses(options, folder), bounds))
    return digests, list(tensorflow_releases())


def check(run: str, path: str) -> Answer:
    """Check a module; an answer without any content says that this Dask worker is not prepared for the run."""
    worker = distributed.get_worker().address
    if run not in _runs:
        return Answer(worker)
    processes, bounds = _runs[run]
    try:
        # The seconds of a download do not count.
        return Answer(worker, processes.check(path, bounds if isinstance(parse_source(path), Path) else None))
    except NotVisible as error:
        return Answer(worker, not_visible=str(error))


def end(run: str) -> None:
    """End what `prepare` has started."""
    processes, _ = _runs.pop(run, (None, None))
    if processes is not None:
        processes.close()
