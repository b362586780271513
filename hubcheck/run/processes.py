"""Static checks of many modules at a time: one process per core.

Reports come in the order of the modules, and no more of them wait than are being made, so that memory does not grow
with the hub.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from hubcheck.module.uri import ModuleSource
from hubcheck.run.order import in_order
from hubcheck.run.report_codec import report_from
from hubcheck.run.worker_processes import Helpers, WorkerDied
from hubcheck.util.errors import ModuleUnavailable

if TYPE_CHECKING:
    from hubcheck.engine.reports import ModuleReport
    from hubcheck.run.options import Options

_WORTH_IT = 64
"""Modules from which on other processes are started unasked: each takes a tenth of a second to start."""
_AHEAD = 8
"""Reports that may wait for an earlier one, for each process."""


def processes(options: Options, modules: int) -> int:
    """How many processes to check so many modules with; 1 means: this one."""
    if not options.static:
        return 1
    if options.jobs is not None:
        return min(options.jobs, modules)
    return len(os.sched_getaffinity(0)) if modules >= _WORTH_IT else 1


def reports(
    paths: Iterable[ModuleSource], options: Options, count: int
) -> Iterator[ModuleReport | tuple[ModuleSource, WorkerDied | ModuleUnavailable]]:
    """The modules' reports in their order; the path and the reason where there is none."""
    helpers = Helpers(options, Path.cwd())
    pool = ThreadPoolExecutor(count, thread_name_prefix="hubcheck-fleet")
    try:
        started = ((path, pool.submit(helpers.check, str(path))) for path in paths)
        for path, future in in_order(started, ahead=_AHEAD * count):
            yield _result(path, future)
    finally:
        helpers.close()
        pool.shutdown(cancel_futures=True)


def _result(
    path: ModuleSource, future: Future[bytes]
) -> ModuleReport | tuple[ModuleSource, WorkerDied | ModuleUnavailable]:
    try:
        return report_from(future.result())
    except (WorkerDied, ModuleUnavailable) as error:
        return path, error
