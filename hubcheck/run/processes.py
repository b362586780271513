"""Static checks of many modules by one process per core, with reports in the order of the modules."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hubcheck.engine.module_report import ModuleReport
from hubcheck.module.uri import ModuleSource
from hubcheck.run.checker import unchecked_report
from hubcheck.run.options import Options
from hubcheck.run.report_codec import report_from
from hubcheck.run.resolved import ResolvedOptions
from hubcheck.run.worker_processes import WorkerDied, WorkerProcesses, in_order
from hubcheck.util.errors import ModuleUnavailable

_MIN_MODULES = 64
"""Modules from which on several processes are started by default: each takes a tenth of a second to start."""
_AHEAD = 8
"""Reports per process that may wait for an earlier one."""


def process_count(options: Options, modules: int) -> int:
    """Return how many processes check this many modules; 1 means that this process does."""
    if not options.static:
        return 1
    if options.jobs is not None:
        return min(options.jobs, modules)
    return len(os.sched_getaffinity(0)) if modules >= _MIN_MODULES else 1


def reports(modules: Iterable[ModuleSource], plan: ResolvedOptions, count: int) -> Iterator[ModuleReport]:
    """Yield the modules' reports, made by `count` processes."""
    processes = WorkerProcesses(plan.options, Path.cwd())
    pool = ThreadPoolExecutor(count, thread_name_prefix="hubcheck-checks")
    try:
        started = ((source, pool.submit(processes.check, str(source))) for source in modules)
        for source, future in in_order(started, ahead=_AHEAD * count):
            try:
                yield report_from(future.result())
            except (WorkerDied, ModuleUnavailable) as error:
                yield unchecked_report(source, error, plan)
    finally:
        processes.close()
        pool.shutdown(cancel_futures=True)
