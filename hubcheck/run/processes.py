"""Worker processes that check one module after the other, and static checks of many modules by one for each core.

A process that dies takes only its module with it: that one is checked once more by a new process, and then reported.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from hubcheck.engine.module_report import ModuleReport
from hubcheck.module.uri import ModuleSource
from hubcheck.run.checker import unchecked_report
from hubcheck.run.options import Options, for_worker
from hubcheck.run.reading_bounds import ReadingBounds
from hubcheck.run.report_lines import report_from
from hubcheck.run.resolved import Keep, ResolvedOptions
from hubcheck.util.errors import ModuleUnavailable
from hubcheck.util.locks import remove_all_abandoned
from hubcheck.util.resources import child_environment

NOT_VISIBLE = b"not visible\n"
"""What a worker answers if there is nothing at a path."""
_PATIENCE = 10.0
"""Seconds that workers have to end by themselves."""
_AHEAD = 8
"""Reports per process that may wait for an earlier one."""
_T = TypeVar("_T")


def reports(
    modules: Iterable[ModuleSource], plan: ResolvedOptions, count: int, keep: Keep = lambda *_: None
) -> Iterator[ModuleReport]:
    """Yield the modules' reports in their order, made by `count` processes; `keep` gets each one once it is made."""
    processes = WorkerProcesses(plan.options, Path.cwd())
    bounds = ReadingBounds.of(plan.options, count)
    pool = ThreadPoolExecutor(count, thread_name_prefix="hubcheck-checks")

    def check(source: ModuleSource) -> ModuleReport:
        try:
            # The seconds of a download do not count.
            line = processes.check(os.fspath(source), bounds if isinstance(source, Path) else None)
        except (WorkerDied, ModuleUnavailable) as error:
            return unchecked_report(source, error, plan)
        report = report_from(line)
        keep(source, report)
        return report

    try:
        for future in in_order((pool.submit(check, source) for source in modules), ahead=_AHEAD * count):
            yield future.result()
    finally:
        processes.close()
        pool.shutdown(cancel_futures=True)


class WorkerDied(RuntimeError):
    """The process that checked a module died, twice."""


class NotVisible(ModuleUnavailable):
    """There is nothing at a module's path on the machine that was to check it."""


class WorkerProcesses:
    """One worker process for each thread that calls `check`. All methods are thread-safe.

    Args:
        options: what to check, and how. Policies are applied by the caller.
        folder: the folder that relative paths start from.
    """

    def __init__(self, options: Options, folder: Path) -> None:
        self._setup = pickle.dumps((for_worker(options), str(folder)))
        self._thread = threading.local()
        self._lock = threading.Lock()
        self._workers: list[subprocess.Popen[bytes]] = []
        self._closed = False

    def check(self, path: str, bounds: ReadingBounds | None = None) -> bytes:
        """Return a module's report as a line of JSON, made by this thread's worker.

        Raises:
            WorkerDied: the worker died, and so did the next one.
            NotVisible: this machine does not see the module's folder.
            ModuleUnavailable: the worker exceeds its bounds.
        """
        for _ in range(2):
            worker = self._worker()
            try:
                assert worker.stdin is not None
                assert worker.stdout is not None
                worker.stdin.write(os.fsencode(path).hex().encode() + b"\n")
                worker.stdin.flush()
                if bounds is not None and (excess := bounds.excess_of(worker.pid, worker.stdout.fileno())) is not None:
                    self._thread.worker = None
                    _kill(worker)
                    raise ModuleUnavailable(excess)
                line = worker.stdout.readline()
            except (OSError, ValueError):  # the worker has ended, or `close` closes what it reads
                line = b""
            if line == NOT_VISIBLE:
                raise NotVisible(
                    f"not checked: nothing is at {path} on {os.uname().nodename}: it was removed, or this machine does"
                    " not see it; share its folder, or give a URI"
                )
            if line.endswith(b"\n"):
                return line
            self._thread.worker = None
            _kill(worker)
        raise WorkerDied(f"the process that checked it died twice, the last time with exit code {worker.returncode}")

    def _worker(self) -> subprocess.Popen[bytes]:
        worker: subprocess.Popen[bytes] | None = getattr(self._thread, "worker", None)
        if worker is None or worker.poll() is not None:
            with self._lock:
                if self._closed:
                    raise WorkerDied("the run is over")
                command = [sys.executable, "-P", "-m", "hubcheck.run.worker"]
                environment = child_environment()
                worker = subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, start_new_session=True
                )
                self._workers = [one for one in self._workers if one.poll() is None] + [worker]
            assert worker.stdin is not None
            with suppress(OSError):  # the worker has ended already
                worker.stdin.write(b"%d\n" % len(self._setup) + self._setup)
            self._thread.worker = worker
        return worker

    def close(self) -> None:
        """End all workers; they remove what they have left on the disk."""
        with self._lock:
            self._closed = True
        for worker in self._workers:
            assert worker.stdin is not None
            with suppress(OSError):
                worker.stdin.close()
        end = time.monotonic() + _PATIENCE
        for worker in self._workers:
            with suppress(subprocess.TimeoutExpired):
                worker.wait(max(0.0, end - time.monotonic()))
            _kill(worker)


def _kill(worker: subprocess.Popen[bytes]) -> None:
    """Kill a worker that may have ended, and remove the private folders that it leaves."""
    worker.kill()
    if worker.wait() != 0:
        remove_all_abandoned()


def in_order(started: Iterable[_T], *, ahead: int) -> Iterator[_T]:
    """Yield the items of `started` in their order, keeping up to `ahead` later ones drawn (and so started)."""
    waiting: deque[_T] = deque()
    for item in started:
        waiting.append(item)
        if len(waiting) > ahead:
            yield waiting.popleft()
    yield from waiting
