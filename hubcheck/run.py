"""Paths to reports: finds the modules, reads them, has them run, and asks the rules."""

from __future__ import annotations

import os
import time
import traceback
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from hubcheck.checks.context import Context
from hubcheck.contract import SignatureContract, load_contracts
from hubcheck.engine import Evaluation, check_predicates
from hubcheck.findings import Level
from hubcheck.identity import home
from hubcheck.module.locate import find_modules
from hubcheck.module.opening import opened
from hubcheck.module.types import Module
from hubcheck.results import DeviceRun, ModuleReport, Report
from hubcheck.rules import Rule, load_rules, matching, select

if TYPE_CHECKING:
    from concurrent.futures import Future

    from hubcheck.config import Config
    from hubcheck.policy import Policy
    from hubcheck.probe.devices import Choice, Wish
    from hubcheck.probe.pool import Pool, ProbeOptions
    from hubcheck.probe.sandbox import Mode

_STATIC_REASON = "not run: --static"
_MOST_WAITING = 16


@dataclass(frozen=True, slots=True)
class Options:
    """What to check, and how: the options of `hubcheck validate`, over those of its configuration.

    `config` also says what does not count; so does `baseline`, a file of known findings. `cache` is a folder of
    reports of earlier runs.
    """

    static: bool = False
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    rules: tuple[Path, ...] = ()
    fail_on: Level | None = None
    jobs: int | None = None
    run_unsafe: bool = False
    device: Wish | None = None
    sandbox: Mode = "auto"
    save_evidence: Path | None = None
    probe: ProbeOptions | None = None
    config: Config | None = None
    baseline: Path | None = None
    update_baseline: bool = False
    cache: Path | None = None
    exhibits: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What the options come to: the rules, the contracts, which rules to report, and which needs to waive."""

    rules: dict[str, Rule]
    contracts: dict[str, SignatureContract]
    selected: set[str]
    waived: frozenset[str]
    home: Path
    policy: Policy | None = None
    devices: Choice | None = None
    only: Mapping[Path, set[str]] | None = None

    def selected_for(self, path: Path) -> set[str]:
        """The rules to report of a module; `only` may name them module by module."""
        if self.only is not None and path in self.only:
            return self.only[path]
        return self.selected if self.policy is None else self.policy.selected(path, self.selected)

    def judged(self, report: ModuleReport) -> ModuleReport:
        """A module's report after the configuration and the baseline had their say."""
        return report if self.policy is None else self.policy.apply(report)

    def report(self, modules: Iterable[ModuleReport], *, interrupted: bool = False) -> Report:
        """The report of a run that is over; what was interrupted does not change the baseline."""
        done = tuple(modules)
        notices: tuple[str, ...] = ()
        if self.policy is not None and not interrupted:
            self.policy.update()
            notices = tuple(self.policy.notices())
        missing = self.devices.missing if self.devices is not None else None
        incomplete = f"--device: {missing}" if missing else None
        return Report(done, interrupted, incomplete, notices=notices, home=str(self.home), rules=self.rules)


def validate(
    path: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    static: bool = False,
    select: Iterable[str] = (),
    ignore: Iterable[str] = (),
    rules: Iterable[str | os.PathLike[str]] = (),
    fail_on: Level | None = None,
    jobs: int | None = None,
    run_unsafe: bool = False,
    device: Wish | None = None,
    sandbox: Mode = "auto",
    save_evidence: str | os.PathLike[str] | None = None,
    probe: ProbeOptions | None = None,
    config: str | os.PathLike[str] | None = None,
) -> Report:
    """Check that modules keep the Common Signatures for Images.

    Args:
        path: a module, a folder with modules below it, or several of these.
        static: decide from files alone, without TensorFlow.
        select: only these rules ("image-input/name") or groups ("image-input").
        ignore: all but these.
        rules: folders with rules and signatures of your own.
        fail_on: the level from which a finding makes the module violate: "error" (the default), "warning", "note".
        jobs: how many modules run at a time; by default one per core.
        run_unsafe: run a module although a safety rule failed.
        device: where to run them: "cpu", "gpu", "auto" (the default: a GPU too if there is one) or "all".
        sandbox: "auto" takes the protections that this machine has, "required" insists on all, "off" keeps limits only.
        save_evidence: a folder for the inputs and outputs of the runs, as .npz files.
        probe: how modules are run: deadline, memory, sizes of batches.
        config: a hubcheck.toml or pyproject.toml; none is looked for. What the arguments above say goes first.

    Returns:
        A Report with one ModuleReport for each module, in the order of the paths.

    Raises:
        NotAModule: there is no module at a path.
        UnknownRule: a selection matches nothing.
        DataFileError: a rule, signature or configuration file cannot be used.
    """
    paths = [path] if isinstance(path, str | os.PathLike) else list(path)
    options = Options(
        static=static,
        select=tuple(select),
        ignore=tuple(ignore),
        rules=tuple(Path(folder) for folder in rules),
        fail_on=fail_on,
        jobs=jobs,
        run_unsafe=run_unsafe,
        device=device,
        sandbox=sandbox,
        save_evidence=Path(save_evidence) if save_evidence is not None else None,
        probe=probe,
    )
    if config is not None:
        from hubcheck.config import read_config

        options = configured(options, read_config(Path(config)))
    modules = modules_at(paths)
    ready = plan(options)
    return ready.report(stream(modules, options, ready))


def configured(options: Options, config: Config) -> Options:
    """The options, and the configuration's where they say nothing."""
    probe = options.probe
    if config.timeout or config.memory:
        from hubcheck.probe.pool import ProbeOptions

        given = probe or ProbeOptions()
        timeout = given.timeout if probe is not None else config.timeout or given.timeout
        probe = replace(given, timeout=timeout, memory=given.memory or config.memory)
    return replace(
        options,
        static=options.static or config.static,
        rules=(*config.rules, *options.rules),
        fail_on=options.fail_on or config.fail_on,
        jobs=options.jobs or config.jobs,
        device=options.device or config.device,
        probe=probe,
        config=config,
        baseline=options.baseline or config.baseline,
    )


def modules_at(paths: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """Every module at or below the paths, once each.

    Raises:
        NotAModule: there is none at one of them.
    """
    return list(dict.fromkeys(module for path in paths for module in find_modules(Path(path))))


def plan(options: Options) -> Plan:
    """The rules and contracts that the options name.

    Raises:
        UnknownRule, DataFileError, UnknownPredicate: they cannot be used.
    """
    from hubcheck.extensions import rule_folders

    folders = (*rule_folders(), *options.rules)
    rules = load_rules(*folders)
    contracts = load_contracts(*folders)
    for rule in rules.values():
        if any(rule.file.is_relative_to(folder) for folder in folders):
            check_predicates(rule)
    policy = None
    if options.config is not None or options.baseline is not None:
        from hubcheck.policy import Policy, adjusted

        rules = adjusted(rules, options.config) if options.config is not None else rules
        policy = Policy(options.config, options.baseline, rules, updating=options.update_baseline)
    selected = select(options.select, rules) if options.select else set(rules)
    selected -= select(options.ignore, rules)
    waived = frozenset(matching("safety", rules)) if options.run_unsafe else frozenset()
    devices = None
    if not options.static:
        from hubcheck.probe.devices import choose

        devices = choose(options.device or "auto")
    where = options.config.home if options.config else home()
    return Plan(rules, contracts, selected, waived, where, policy, devices)


def stream(modules: Sequence[Path], options: Options, ready: Plan) -> Iterator[ModuleReport]:
    """Reports one by one, in the order of `modules`; the next modules run meanwhile."""

    def checked(paths: Iterable[Path]) -> Iterator[ModuleReport]:
        if options.static and len(modules) > 1 and options.jobs != 1:
            from hubcheck import fleet

            count = fleet.processes(options, len(modules))
            if count > 1:
                for made in fleet.reports(paths, options, count):
                    yield made if isinstance(made, ModuleReport) else _died(*made, options, ready)
                return
        with Checker(options) as checker:
            yield from checker.reports(paths, options, ready)

    reports = checked(modules)
    if options.cache is not None and options.save_evidence is None and not options.exhibits:
        from hubcheck.known import known_or_checked

        reports = known_or_checked(modules, options, ready, checked)
    yield from map(ready.judged, reports)


class Checker:
    """Checks modules as they come, with one pool of workers for all of them. A context manager: leaving it ends them.

    Args:
        options: how modules are run, if at all.
    """

    def __init__(self, options: Options) -> None:
        self._pool, self._no_run = _pool(options)

    def stream(self, modules: Iterable[Path], options: Options, ready: Plan) -> Iterator[ModuleReport]:
        """Reports one by one, in the order of `modules`; the next modules run meanwhile.

        Args:
            modules: their folders.
            options: what to check; how modules are run is settled already.
            ready: what `plan` made of the options.
        """
        yield from map(ready.judged, self.reports(modules, options, ready))

    def reports(self, modules: Iterable[Path], options: Options, ready: Plan) -> Iterator[ModuleReport]:
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
    path: Path
    module: Module
    evaluation: Evaluation
    run: Future[Any] | None
    unpacked: ExitStack


def _start(path: Path, ready: Plan, pool: Pool | None, options: Options) -> _Started:
    begin, unpacked = time.monotonic(), ExitStack()
    try:
        module = unpacked.enter_context(opened(path))
    except Exception as error:
        return _Started(begin, path, *_unread(path, ready, error), None, unpacked)
    evaluation = _evaluation(module, ready)
    evaluation.static()
    wanted = pool is not None and evaluation.wants_run()
    run = pool.submit(module, ready.contracts, options.probe) if pool is not None and wanted else None
    return _Started(begin, path, module, evaluation, run, unpacked)


def _evaluation(module: Module, ready: Plan) -> Evaluation:
    selected = ready.selected_for(module.path)
    return Evaluation(Context(module, ready.contracts), ready.rules, selected=selected, waived=ready.waived)


def _unread(path: Path, ready: Plan, error: Exception) -> tuple[Module, Evaluation]:
    """A module on which the reader itself failed: hubcheck's fault, told as such, and the others go on."""
    module = Module(path=path, format=None, file="")
    evaluation = _evaluation(module, ready)
    evaluation.break_off("".join(traceback.format_exception(error)))
    return module, evaluation


def _died(path: Path, error: Exception, options: Options, ready: Plan) -> ModuleReport:
    """The report of a module of which nothing came back."""
    started = _Started(time.monotonic(), path, *_unread(path, ready, error), None, ExitStack())
    return _report(started, options, ready, None)


def _finish(started: _Started, options: Options, ready: Plan) -> ModuleReport:
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


def _report(started: _Started, options: Options, ready: Plan, observations: Any) -> ModuleReport:
    shown = None
    if options.exhibits:
        from hubcheck.exhibits import exhibits

        shown = exhibits(started.module, ready.contracts, observations)
    if observations is not None:
        devices = tuple(DeviceRun(seen.name, seen.ran, seen.reason) for seen in observations.devices)
    else:
        devices = (DeviceRun("cpu", False, _STATIC_REASON if options.static else "not run"),)
    return ModuleReport(
        path=str(started.path),
        format=started.module.format,
        outcomes=tuple(started.evaluation.outcomes()),
        findings=tuple(started.evaluation.findings()),
        devices=devices,
        elapsed_s=round(time.monotonic() - started.begin, 3),
        fail_on=options.fail_on or "error",
        protections=observations.sandbox or None if observations is not None else None,
        file="" if started.module.archive is not None else started.module.file or "saved_model.pb",
        exhibits=shown,
    )
