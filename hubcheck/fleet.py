"""Static checks of many modules at a time: one process per core, each of which checks one module after the other.

A process that dies takes its module with it: that is checked once more in a new one, and then told. Reports come in
the order of the modules, and no more of them wait than are being made, so that memory does not grow with the hub.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hubcheck.results import ModuleReport
from hubcheck.stored import report_from, report_text

if TYPE_CHECKING:
    from hubcheck.options import Options

_WORTH_IT = 64
"""Modules from which on other processes are started unasked: each takes a tenth of a second to start."""
_AHEAD = 8
"""Reports that may wait for an earlier one, for each process."""


class WorkerDied(RuntimeError):
    """The process died on a module, twice."""


def processes(options: Options, modules: int) -> int:
    """How many processes to check so many modules with; 1 means: this one."""
    if not options.static or options.exhibits:
        return 1
    if options.jobs is not None:
        return min(options.jobs, modules)
    return len(os.sched_getaffinity(0)) if modules >= _WORTH_IT else 1


def reports(paths: Iterable[Path], options: Options, count: int) -> Iterator[ModuleReport | tuple[Path, WorkerDied]]:
    """The modules' reports in their order; the path and the reason where there is none."""
    fleet = _Fleet(replace(options, jobs=1, cache=None, update_baseline=False))
    waiting: deque[tuple[Path, Future[ModuleReport]]] = deque()
    pool = ThreadPoolExecutor(count, thread_name_prefix="hubcheck-fleet")
    try:
        for path in paths:
            waiting.append((path, pool.submit(fleet.check, path)))
            if len(waiting) > _AHEAD * count:
                yield _result(*waiting.popleft())
        while waiting:
            yield _result(*waiting.popleft())
    finally:
        fleet.close()
        pool.shutdown(cancel_futures=True)


def _result(path: Path, future: Future[ModuleReport]) -> ModuleReport | tuple[Path, WorkerDied]:
    try:
        return future.result()
    except WorkerDied as error:
        return path, error


class _Fleet:
    """A process for each thread that asks."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._own = threading.local()
        self._lock = threading.Lock()
        self._all: list[subprocess.Popen[bytes]] = []
        self._closed = False

    def check(self, path: Path) -> ModuleReport:
        """The report of a module, made in this thread's process.

        Raises:
            WorkerDied: there is none.
        """
        for _ in range(2):
            worker = self._worker()
            try:
                assert worker.stdin is not None
                assert worker.stdout is not None
                worker.stdin.write(os.fsencode(path).hex().encode() + b"\n")
                worker.stdin.flush()
                line = worker.stdout.readline()
            except OSError:
                line = b""
            if line.endswith(b"\n"):
                return report_from(line)
            self._own.worker = None
            worker.kill()
            worker.wait()
        raise WorkerDied(f"the process that checked it died twice, the last time with exit code {worker.returncode}")

    def _worker(self) -> subprocess.Popen[bytes]:
        worker: subprocess.Popen[bytes] | None = getattr(self._own, "worker", None)
        if worker is None:
            with self._lock:
                if self._closed:
                    raise WorkerDied("the run is over")
                command = [sys.executable, "-c", "from hubcheck.fleet import work; work()"]
                environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
                worker = subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, start_new_session=True
                )
                self._all.append(worker)
            assert worker.stdin is not None
            data = pickle.dumps(self._options)
            worker.stdin.write(b"%d\n" % len(data) + data)
            self._own.worker = worker
        return worker

    def close(self) -> None:
        """End all processes."""
        with self._lock:
            self._closed = True
            for worker in self._all:
                worker.kill()
        for worker in self._all:
            worker.wait()


def work() -> None:
    """A process of the fleet: paths come in, reports go out, until the other side is gone."""
    from hubcheck.checker import Checker
    from hubcheck.plan import plan

    source, out = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints must not stand between reports
    options = pickle.loads(source.read(int(source.readline())))  # from the process that started this one
    ready = plan(options)
    with Checker(options) as checker:
        for line in source:
            path = Path(os.fsdecode(bytes.fromhex(line.decode())))
            for report in checker.reports([path], options, ready):
                out.write(report_text(report) + b"\n")
                out.flush()
