"""One module after the other: read, run, and judged."""

from __future__ import annotations

import time
import traceback
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any

from hubcheck.checks.context import Context
from hubcheck.engine.evaluation import Evaluation
from hubcheck.engine.reports import DeviceRun, ModuleReport
from hubcheck.module.types import Module
from hubcheck.module.uri import ModuleSource
from hubcheck.remote.sources import opened
from hubcheck.run.options import Options
from hubcheck.run.resolved import ResolvedOptions
from hubcheck.util.errors import ModuleUnavailable, UserError

if TYPE_CHECKING:
    from concurrent.futures import Future

    from hubcheck.probe.pool import Pool

_STATIC_REASON = "not run: --static"
_MOST_WAITING = 16


class Checker:
    """Checks modules as they come, with one pool of workers for all of them. A context manager: leaving it ends them.

    Args:
        options: how modules are run, if at all.
    """

    def __init__(self, options: Options) -> None:
        self._pool, self._no_run = _pool(options)

    def stream(
        self, modules: Iterable[ModuleSource], options: Options, ready: ResolvedOptions
    ) -> Iterator[ModuleReport]:
        """Reports one by one, in the order of `modules`; the next modules run meanwhile.

        Args:
            modules: where they are.
            options: what to check; how modules are run is settled already.
            ready: what `plan` made of the options.
        """
        yield from map(ready.judged, self.reports(modules, options, ready))

    def reports(
        self, modules: Iterable[ModuleSource], options: Options, ready: ResolvedOptions
    ) -> Iterator[ModuleReport]:
        """The same before the configuration has its say."""
        waiting: deque[_Started] = deque()
        try:
            for path in modules:
                started = _start(path, ready, self._pool, options)
                if self._pool is None:
                    with started.unpacked:
                        started.evaluation.without_run(self._no_run, complete=options.static)
                        report = _report(started, options, ready, None)
                    yield report
                    continue
                waiting.append(started)
                # A bound on what waits keeps memory flat however many modules there are.
                if len(waiting) > _MOST_WAITING:
                    yield _finish(waiting.popleft(), options, ready)
            while waiting:
                yield _finish(waiting.popleft(), options, ready)
        finally:
            for started in waiting:
                started.unpacked.close()

    def __enter__(self) -> Checker:
        if self._pool is not None:
            self._pool.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.__exit__(kind, error, trace)


@dataclass(frozen=True, slots=True)
class _Started:
    begin: float
    path: ModuleSource
    module: Module
    evaluation: Evaluation
    run: Future[Any] | None
    unpacked: ExitStack


def _start(path: ModuleSource, ready: ResolvedOptions, pool: Pool | None, options: Options) -> _Started:
    begin, unpacked = time.monotonic(), ExitStack()
    try:
        found = opened(path, options.limits, store=options.store, weights=pool is not None)
        module = unpacked.enter_context(found)
    except UserError as error:
        module = Module(path=path, format=None, file="")
        evaluation = _evaluation(module, ready)
        evaluation.without_module(str(error))
        return _Started(begin, path, module, evaluation, None, unpacked)
    except Exception as error:
        return _Started(begin, path, *_unread(path, ready, error), None, unpacked)
    try:
        evaluation = _evaluation(module, ready)
        evaluation.static()
        wanted = pool is not None and evaluation.wants_run()
        run = pool.submit(module, ready.contracts, options.probe) if pool is not None and wanted else None
    except Exception as error:
        return _Started(begin, path, *_unread(path, ready, error), None, unpacked)
    return _Started(begin, path, module, evaluation, run, unpacked)


def _evaluation(module: Module, ready: ResolvedOptions) -> Evaluation:
    selected = ready.selected_for(module.path)
    return Evaluation(Context(module, ready.contracts), ready.rules, selected=selected, waived=ready.waived)


def _unread(path: ModuleSource, ready: ResolvedOptions, error: Exception) -> tuple[Module, Evaluation]:
    """A module on which the reader itself failed: hubcheck's fault, told as such, and the others go on."""
    module = Module(path=path, format=None, file="")
    evaluation = _evaluation(module, ready)
    evaluation.break_off("".join(traceback.format_exception(error)))
    return module, evaluation


def report_without_check(
    path: ModuleSource, error: Exception, options: Options, ready: ResolvedOptions
) -> ModuleReport:
    """The report of a module of which nothing came back: what checked it died, or it could not be checked at all."""
    if isinstance(error, ModuleUnavailable):
        module = Module(path=path, format=None, file="")
        evaluation = _evaluation(module, ready)
        evaluation.without_module(str(error))
    else:
        module, evaluation = _unread(path, ready, error)
    started = _Started(time.monotonic(), path, module, evaluation, None, ExitStack())
    return _report(started, options, ready, None)


def _finish(started: _Started, options: Options, ready: ResolvedOptions) -> ModuleReport:
    observations, reason, complete, broken = None, "not run", True, False
    with started.unpacked:
        if started.run is not None:
            from hubcheck.probe.pool import ProbeError

            try:
                observations = started.run.result()
            except ProbeError as error:
                reason, complete, broken = str(error), False, error.internal
        if observations is None:
            started.evaluation.without_run(reason, complete=complete, broken=broken)
        else:
            started.evaluation.probe(observations)
            if options.save_evidence is not None:
                from hubcheck.probe.evidence import save_evidence

                save_evidence(options.save_evidence, started.module, ready.contracts, observations, options.probe)
        return _report(started, options, ready, observations)


def _pool(options: Options) -> tuple[Pool | None, str]:
    """The workers, or None and why there are none."""
    if options.static:
        return None, _STATIC_REASON
    from hubcheck.probe.devices import choose
    from hubcheck.probe.pool import Pool, SandboxUnavailable, tensorflow_missing

    choice = choose(options.device or "auto")
    missing = tensorflow_missing()
    if missing is None and not choice.devices:
        missing = f"--device: {choice.missing}"
    if missing is not None:
        return None, missing
    try:
        return Pool(jobs=options.jobs, sandbox=options.sandbox, devices=choice.devices, absent=choice.absent), ""
    except SandboxUnavailable as error:
        return None, f"--sandbox required: {error}"


def _report(started: _Started, options: Options, ready: ResolvedOptions, observations: Any) -> ModuleReport:
    shown, findings = None, tuple(started.evaluation.findings())
    if options.details:
        from hubcheck.report.details.build import module_details

        shown = module_details(started.evaluation.context, findings, observations)
    if observations is not None:
        devices = tuple(DeviceRun(seen.name, seen.ran, seen.reason) for seen in observations.devices)
    else:
        devices = (DeviceRun("cpu", False, _STATIC_REASON if options.static else "not run"),)
    return ModuleReport(
        path=str(started.path),
        format=started.module.format,
        outcomes=tuple(started.evaluation.outcomes()),
        findings=findings,
        devices=devices,
        elapsed_s=round(time.monotonic() - started.begin, 3),
        fail_on=options.fail_on or "error",
        protections=observations.sandbox or None if observations is not None else None,
        file="" if started.module.archive is not None else started.module.file or "saved_model.pb",
        details=shown,
    )
