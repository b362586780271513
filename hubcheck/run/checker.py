"""Checks modules one after the other in this process, and runs them in a pool of workers."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from hubcheck.checks.context import Context
from hubcheck.engine.evaluation import Evaluation, Results, evaluate, internal_error, unavailable
from hubcheck.engine.module_report import DeviceRun, ModuleReport
from hubcheck.module.locate import NotAModule
from hubcheck.module.module_files import ModuleChanged
from hubcheck.module.state import State, changed_file, state_of
from hubcheck.module.types import Module
from hubcheck.module.uri import ModuleSource, is_in_memory, local_path
from hubcheck.remote.sources import open_source
from hubcheck.run.resolved import Keep, ResolvedOptions
from hubcheck.util.errors import ModuleUnavailable, UserError
from hubcheck.util.record import record

if TYPE_CHECKING:
    from concurrent.futures import Future

    from hubcheck.probe.observations import Observations
    from hubcheck.probe.pool import Pool

_STATIC_REASON = "not run: --static"
_MAX_PENDING = 16
"""Modules that wait for their run: a bound, so that memory does not grow with the number of modules."""

Reader = Callable[..., ModuleReport | None]


class Checker(ExitStack):
    """Checks modules with one pool of workers for all of them; leaving the context, or `close`, ends the workers.

    Args:
        plan: how modules are run, if at all. What is checked is up to each call of `reports`.
    """

    def __init__(self, plan: ResolvedOptions) -> None:
        super().__init__()
        self._pool, self._no_pool = _pool(plan)
        if self._pool is not None:
            self.enter_context(self._pool)

    def reports(
        self,
        modules: Iterable[ModuleSource],
        plan: ResolvedOptions,
        keep: Keep = lambda *_: None,
        read_apart: Reader = lambda source, **_: None,
    ) -> Iterator[ModuleReport]:
        """Yield reports in the order of `modules`, before the policy is applied; the next modules run meanwhile.

        A module that changed meanwhile is checked once more.

        Args:
            modules: where they are.
            plan: what to check, and how.
            keep: called with each report as soon as it is made, which may be before its turn in the order.
            read_apart: called with each module before it is read here; returns its report if that is all. Also called
                with the folder or archive of a download, and `downloaded=True`.
        """
        pending: deque[_Pending] = deque()
        ended: SimpleQueue[_Pending] = SimpleQueue()

        def finished(max_pending: int) -> Iterator[ModuleReport]:
            """Finish modules whose runs have ended, until at most `max_pending` are pending."""
            while len(pending) > max_pending or not ended.empty():
                module = ended.get()
                if not module.is_second and module.changed_file() is not None:
                    module.resources.close()
                    pending[pending.index(module)] = start(module.source, is_second=True)
                    continue
                module.report = _finish(module, plan, self._no_pool)
                keep(module.source, module.report)
                while pending and (report := pending[0].report) is not None:
                    pending.popleft()
                    yield report

        def start(source: ModuleSource, *, is_second: bool = False) -> _Pending:
            module = _start(source, plan, self._pool, read_apart)
            module.is_second = is_second
            if module.run is None:
                ended.put(module)
            else:
                module.run.add_done_callback(partial(_put, ended, module))
            return module

        try:
            for source in modules:
                pending.append(start(source))
                yield from finished(_MAX_PENDING if self._pool is not None else 0)
            yield from finished(0)
        finally:
            for module in pending:
                module.resources.close()


def _put(ended: SimpleQueue[_Pending], module: _Pending, _: Future[Any]) -> None:
    ended.put(module)


def unchecked_report(source: ModuleSource, error: Exception, plan: ResolvedOptions) -> ModuleReport:
    """Return the report of a module whose check raised an error, or whose process died."""
    return _finish(_unread(source, plan, error, ExitStack()), plan)


@record(eq=False, frozen=False)
class _Pending:
    """A module that was read and checked statically, which took `seconds`.

    `run` is the future of its observations, if it is run; `report` is set once it is known. `before` is the state of
    its files before they were read, and `error` why they could not be read.
    """

    seconds: float
    source: ModuleSource
    context: Context
    evaluation: Evaluation | Results
    resources: ExitStack
    run: Future[Any] | None = None
    report: ModuleReport | None = None
    before: State | None = None
    error: Exception | None = None
    is_second: bool = False

    def changed_file(self) -> str | None:
        """Return the name of a file that is not what it was when the module was checked first; None if all are."""
        if isinstance(self.error, ModuleChanged):
            return self.error.name
        files = self.context.module.files_at
        if self.run is not None and files is not None and (changed := files.changed()) is not None:
            return changed
        place = local_path(self.source)
        return changed_file(place, self.before) if place is not None and self.before is not None else None


def _start(source: ModuleSource, plan: ResolvedOptions, pool: Pool | None, read_apart: Reader) -> _Pending:
    begin, resources, place = time.monotonic(), ExitStack(), local_path(source)
    before = state_of(place) if place is not None else None
    try:
        report = read_apart(source)
        if report is not None:
            nothing = _unread(source, plan, ModuleUnavailable("read by another process"), resources)
            return replace(nothing, report=report)
        fetch = replace(plan.fetch, before_reading=partial(read_apart, downloaded=True))
        found = open_source(source, fetch, weights=pool is not None, to_run=pool is not None)
        context = Context(resources.enter_context(found), plan.contracts, convention=plan.convention)
        selected = plan.selected_for(context.module.path)
        evaluation = evaluate(context, plan.rules, selected=selected, assume_passed=plan.assume_passed)
        run = None
        if pool is not None and evaluation.awaits_run():
            from hubcheck.checks.randomness import results_may_vary

            probe, vary = plan.options.probe, partial(results_may_vary, context)
            run = pool.submit(context.module, plan.contracts, probe, convention=plan.convention, may_vary=vary)
        return _Pending(time.monotonic() - begin, source, context, evaluation, resources, run, before=before)
    except NotAModule:
        why = "only the process that wrote it can read it" if is_in_memory(source) else "there is no module now"
        error = ModuleUnavailable(f"not checked: {source}: {why}")
        return replace(_unread(source, plan, error, resources), before=before)
    except Exception as error:
        return replace(_unread(source, plan, error, resources), before=before)


def _unread(source: ModuleSource, plan: ResolvedOptions, error: Exception, resources: ExitStack) -> _Pending:
    """A module that could not be checked: it is unavailable, or else this is an internal error."""
    selected = plan.selected_for(source)
    if isinstance(error, UserError | ModuleUnavailable):
        results = unavailable(plan.rules, selected, str(error))
    else:
        import traceback

        results = internal_error(plan.rules, selected, "".join(traceback.format_exception(error)))
    context = Context(Module(path=source, format=None, file=""), plan.contracts, convention=plan.convention)
    return _Pending(0.0, source, context, results, resources, error=error)


def _finish(pending: _Pending, plan: ResolvedOptions, no_pool: str | None = None) -> ModuleReport:
    begin = time.monotonic()
    with pending.resources:
        if pending.report is not None:
            return pending.report
        try:
            observations, results = _results(pending, plan, no_pool)
            report = _report(pending, results, plan, observations)
            in_runs = observations.seconds if observations is not None else 0.0
            report = replace(report, elapsed_s=round(pending.seconds + in_runs + time.monotonic() - begin, 3))
        except Exception as error:
            failed = _unread(pending.source, plan, error, ExitStack())
            return _report(failed, _results(failed, plan)[1], plan, None)
        folder = plan.options.save_evidence
        if folder is not None and observations is not None:
            from hubcheck.probe.evidence import save_evidence

            module, probe = pending.context.module, plan.options.probe
            try:
                save_evidence(folder, module, plan.contracts, observations, probe, convention=plan.convention)
            except OSError as error:
                report = replace(report, unsaved=f"{folder}: {error.strerror or error}")
        return report


def _results(
    pending: _Pending, plan: ResolvedOptions, no_pool: str | None = None
) -> tuple[Observations | None, Results]:
    """Return what was observed when a module ran, if it was run, and what its rules decide."""
    observations, reason, crashed = None, no_pool or "not run", False
    if pending.run is not None:
        from hubcheck.probe.pool import ProbeError

        try:
            observations = pending.run.result()
        except ProbeError as error:
            reason, crashed = str(error), error.internal
    if (changed := pending.changed_file()) is not None and not isinstance(pending.error, ModuleChanged):
        raise ModuleChanged(changed)
    if isinstance(pending.evaluation, Results):
        return observations, pending.evaluation
    if observations is None:
        return None, pending.evaluation.without_run(reason, complete=plan.options.static, crashed=crashed)
    return observations, pending.evaluation.with_observations(observations)


def _pool(plan: ResolvedOptions) -> tuple[Pool | None, str]:
    """Return the pool of workers, or None and the reason why modules are not run."""
    if plan.options.static or plan.devices is None:
        return None, _STATIC_REASON
    from hubcheck.probe.devices import cannot_run

    missing = cannot_run("pass --static")
    if missing is None and not plan.devices.devices:
        missing = f"--device: {plan.devices.missing}"
    if missing is not None:
        return None, missing
    from hubcheck.probe.pool import Pool, SandboxUnavailable

    options, devices = plan.options, plan.devices
    try:
        return Pool(jobs=options.jobs, sandbox=options.sandbox, devices=devices.devices, absent=devices.absent), ""
    except SandboxUnavailable as error:
        return None, f"--sandbox required: {error}"


def _report(
    pending: _Pending, results: Results, plan: ResolvedOptions, observations: Observations | None
) -> ModuleReport:
    shown, module = None, pending.context.module
    if plan.options.details:
        from hubcheck.report.details import module_details

        shown = module_details(pending.context, results.findings, observations)
    if observations is not None:
        devices = tuple(DeviceRun(seen.name, seen.ran, seen.reason) for seen in observations.devices)
    else:
        devices = (DeviceRun("cpu", False, _STATIC_REASON if plan.options.static else "not run"),)
    return ModuleReport(
        path=str(pending.source),
        format=module.format,
        outcomes=results.outcomes,
        findings=results.findings,
        devices=devices,
        elapsed_s=round(pending.seconds, 3),
        fail_on=plan.options.fail_on or "error",
        protections=observations.sandbox or None if observations is not None else None,
        missing_protections=observations.sandbox_missing if observations is not None else (),
        file="" if module.archive is not None else module.file or "saved_model.pb",
        details=shown,
    )
