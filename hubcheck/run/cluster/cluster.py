"""Modules to a Dask cluster, and reports from it.

If a Dask worker dies, Dask gives its modules to others. A worker that does not see a module gets no more of them while
there are others.
"""

from __future__ import annotations

import itertools
import os
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any

import distributed

from hubcheck.engine.module_report import ModuleReport
from hubcheck.module.uri import ModuleSource
from hubcheck.run.checker import unchecked_report
from hubcheck.run.cluster import tasks
from hubcheck.run.cluster.members import Members
from hubcheck.run.processes import WorkerDied
from hubcheck.run.report_lines import report_from
from hubcheck.run.resolved import Keep, ResolvedOptions
from hubcheck.util.errors import ModuleUnavailable, UserError

_AHEAD = 8
"""Reports per thread of the cluster that may wait for an earlier one."""
_PATIENCE = 60.0
"""Seconds without any Dask worker that can check modules after which the cluster is given up."""
_MAX_TRIES = 3
"""How often a module is given to the cluster whose scheduler drops it."""
_INTERVAL = 1.0
"""Seconds between two looks at the workers."""


@dataclass(slots=True, eq=False)
class _Check:
    """A module that is checked by the cluster.

    Attributes:
        workers: the addresses of the Dask workers that may take it.
        blind: those that do not see it.
        not_visible: what the last of them said.
        alone: whether it is tried once more, because workers died that had it.
    """

    source: ModuleSource
    future: Any = None
    workers: list[str] = field(default_factory=list)
    blind: set[str] = field(default_factory=set)
    not_visible: str = ""
    tries: int = 0
    alone: bool = False
    report: ModuleReport | None = None


class Cluster:
    """A cluster that is ready to check modules; leaving the context ends what it has started there.

    Args:
        client: connected to the scheduler.
        address: the address as the user gave it.
        plan: what to check, and how.

    Attributes:
        environment: TensorFlow's releases on the workers at the start, for the cache.

    Raises:
        UserError: there is no worker with the code of this hubcheck.
    """

    def __init__(self, client: distributed.Client, address: str, plan: ResolvedOptions) -> None:
        self._client, self._address, self._plan = client, address, plan
        self._members = Members(client, plan.options)
        self._blind: set[str] = set()
        self._reporting: set[str] = set()
        self._ended: SimpleQueue[tuple[_Check, Any]] = SimpleQueue()
        self._looked = self._last_worker = self._last_report = time.monotonic()
        self._numbers = itertools.count()
        self._over: str | None = None
        self._wait_for_workers()
        self.environment = sorted({line for lines in self._members.admitted.values() for line in lines})

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        if self._client.status == "running":
            self._members.end()

    def reports(self, modules: Iterable[ModuleSource], keep: Keep) -> Iterator[ModuleReport]:
        """Yield the modules' reports in their order; `keep` gets each one as soon as it is there."""
        waiting: deque[_Check] = deque()
        for source in modules:
            waiting.append(_Check(source))
            self._submit(waiting[-1])
            while len(waiting) > _AHEAD * max(1, sum(self._members.present.values())):
                yield from self._next(waiting, keep)
        while waiting:
            yield from self._next(waiting, keep)

    def _wait_for_workers(self) -> None:
        begin = time.monotonic()
        while not self._members.admitted or (self._members.undecided and time.monotonic() - begin < _INTERVAL):
            try:
                self._members.update()
            except (OSError, TimeoutError) as error:
                raise UserError(f"--cluster: the Dask scheduler at {self._address} has gone: {error}") from None
            refused = list(self._members.refused.values())
            if refused and len(refused) == len(self._members.present):
                raise UserError(f"--cluster: {refused[0]}; install the same on all machines")
            if time.monotonic() - begin > _PATIENCE:
                raise UserError(f"--cluster: the Dask scheduler at {self._address} has no workers")
            time.sleep(0.05)

    def _next(self, waiting: deque[_Check], keep: Keep) -> Iterator[ModuleReport]:
        """Wait a moment for a result, and yield the reports whose turn it is."""
        with suppress(Empty):
            check, future = self._ended.get(timeout=_INTERVAL if waiting[0].report is None else 0)
            if future is check.future:
                self._settle(check, keep)
        if time.monotonic() - self._looked >= _INTERVAL:
            self._look_after(waiting)
            self._looked = time.monotonic()
        while waiting and (report := waiting[0].report) is not None:
            waiting.popleft()
            yield report

    def _submit(self, check: _Check) -> None:
        """Give a module to the workers that may take it; without any, it waits."""
        check.future = None
        admitted = self._members.admitted.keys() - check.blind
        check.workers = sorted(admitted - self._blind or admitted)
        if self._over is not None:
            self._fail(check, ModuleUnavailable(self._over))
        elif not check.workers and check.blind & self._members.admitted.keys() and not self._others_may_join():
            self._fail(check, ModuleUnavailable(check.not_visible))
        elif check.workers:
            check.tries += 1
            path, key = os.fspath(check.source), f"{self._members.run}-{next(self._numbers)}"
            with suppress(distributed.client.ClosedClientError):
                check.future = self._client.submit(
                    tasks.check, self._members.run, path, key=key, pure=False, workers=check.workers
                )
                self._watch(check)

    def _others_may_join(self) -> bool:
        """Return whether to wait for workers where those that are here do not see a module."""
        admitted = self._members.admitted.keys()
        left_by_others = admitted <= self._blind and bool(self._reporting - admitted)
        waited = time.monotonic() - self._last_report > _PATIENCE
        return bool(self._members.undecided) or (left_by_others and not waited)

    def _watch(self, check: _Check) -> None:
        check.future.add_done_callback(lambda future: self._ended.put((check, future)))

    def _settle(self, check: _Check, keep: Keep) -> None:
        """Take the result of a module, or give it to another worker."""
        try:
            answer: tasks.Answer = check.future.result(timeout=_INTERVAL)
            if answer.report is not None:
                check.report = report_from(answer.report)
                self._blind.discard(answer.worker)
                self._reporting.add(answer.worker)
                self._last_report = time.monotonic()
                if set(self._members.admitted.get(answer.worker, ())) <= set(self.environment):
                    keep(check.source, check.report)
            elif answer.not_visible is not None:
                check.not_visible = answer.not_visible
                check.blind.add(answer.worker)
                self._blind.add(answer.worker)
                self._submit(check)
            else:
                self._members.ask_again(answer.worker)
                self._submit(check)
        except TimeoutError:
            self._watch(check)  # the worker with the result has died
        except distributed.KilledWorker as killed:
            # Dask blames all tasks that were on a worker which died; a task that runs alone shows whether it is why.
            if check.alone:
                count = killed.allowed_failures + 1
                self._fail(check, WorkerDied(f"{count} Dask workers died while they checked it, twice"))
            else:
                check.alone = True
                self._submit(check)
        except (CancelledError, distributed.comm.CommClosedError):
            if self._client.status == "running" and check.tries < _MAX_TRIES:
                self._submit(check)
            else:
                self._scheduler_is_gone()
                self._fail(check, ModuleUnavailable(self._over or ""))
        except Exception as error:
            self._fail(check, error)

    def _look_after(self, waiting: Iterable[_Check]) -> None:
        """See which workers there are, and give modules that none of them may take to others."""
        if self._client.status != "running":
            self._scheduler_is_gone()
        else:
            with suppress(OSError, TimeoutError):
                self._members.update()
        if self._members.admitted:
            self._last_worker = time.monotonic()
        elif time.monotonic() - self._last_worker > _PATIENCE and self._over is None:
            self._over = f"not checked: the Dask cluster at {self._address} has no workers any more"
        for check in waiting:
            lost = not self._members.present.keys() & set(check.workers)
            if check.report is None and (self._over is not None or check.future is None or lost):
                self._submit(check)

    def _scheduler_is_gone(self) -> None:
        self._over = self._over or f"not checked: the Dask scheduler at {self._address} is gone"

    def _fail(self, check: _Check, error: Exception) -> None:
        check.report = unchecked_report(check.source, error, self._plan)
