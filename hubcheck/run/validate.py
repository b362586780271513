"""Paths to reports: finds the modules and has them checked, here, by several processes, or from the cache."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hubcheck.engine.reports import ModuleReport, Report
from hubcheck.module.limits import ReadLimits
from hubcheck.module.uri import ModuleSource
from hubcheck.remote.sources import default_store, find
from hubcheck.rulebook.levels import Level
from hubcheck.run.options import Options, configured
from hubcheck.run.resolved import ResolvedOptions, plan

if TYPE_CHECKING:
    from hubcheck.probe.devices import DeviceRequest
    from hubcheck.probe.pool import ProbeOptions
    from hubcheck.run.dask_cluster import Cluster
    from hubcheck.sandbox.enforce import Mode


def validate(  # noqa: PLR0913 - one for each option
    path: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    static: bool = False,
    select: Iterable[str] = (),
    ignore: Iterable[str] = (),
    rules: Iterable[str | os.PathLike[str]] = (),
    fail_on: Level | None = None,
    jobs: int | None = None,
    run_unsafe: bool = False,
    device: DeviceRequest | None = None,
    sandbox: Mode = "auto",
    save_evidence: str | os.PathLike[str] | None = None,
    probe: ProbeOptions | None = None,
    limits: ReadLimits | None = None,
    cache: bool = True,
    config: str | os.PathLike[str] | None = None,
    cluster: str | None = None,
) -> Report:
    """Check that modules keep the Common Signatures for Images.

    Args:
        path: a module, a folder with modules below it, or several of these; URIs are texts.
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
        limits: how much of a module is read, at most: a hubcheck.module.limits.Limits.
        cache: keep what is fetched from servers, and fetch again only what has changed.
        config: a hubcheck.toml or pyproject.toml; none is looked for. What the arguments above say goes first.
        cluster: the address of a Dask scheduler whose workers check the modules, or "local" for workers here.

    Returns:
        A Report with one ModuleReport for each module, in the order of the paths.

    Raises:
        NotAModule: there is no module at a path or URI.
        UnknownRule: a selection matches nothing.
        DataFileError: a rule, signature or configuration file cannot be used.
        UserError: the cluster cannot be reached.
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
        store=default_store() if cache else None,
        cluster=cluster,
    )
    if config is not None:
        from hubcheck.config.file import read_config

        options = configured(options, read_config(Path(config)))
    if limits is not None:
        options = replace(options, limits=limits)
    modules = modules_at(paths, options)
    ready = plan(options)
    return ready.report(stream(modules, options, ready))


def modules_at(paths: Iterable[str | os.PathLike[str]], options: Options) -> list[ModuleSource]:
    """Every module at or below the paths and URIs, once each.

    Raises:
        NotAModule: there is none at one of them.
    """
    return list(dict.fromkeys(module for path in paths for module in find(path, options.limits, store=options.store)))


def stream(modules: Sequence[ModuleSource], options: Options, ready: ResolvedOptions) -> Iterator[ModuleReport]:
    """Reports one by one, in the order of `modules`; the next modules run meanwhile."""
    reports: Generator[ModuleReport, None, None]
    with ExitStack() as stack:
        cluster = _cluster(options, stack)

        def checked(paths: Iterable[ModuleSource]) -> Generator[ModuleReport, None, None]:
            made = cluster.reports(paths) if cluster is not None else _locally(paths, len(modules), options, ready)
            for report in made:
                yield report if isinstance(report, ModuleReport) else _without_check(*report, options, ready)

        if options.cache is not None and options.save_evidence is None:
            from hubcheck.run.cached_reports import known_or_checked

            environment = cluster.environment if cluster is not None else None
            reports = known_or_checked(modules, options, ready, checked, environment)
        else:
            reports = checked(modules)
        # Who leaves early ends what is under way before the cluster goes.
        stack.callback(reports.close)
        for report in reports:
            yield ready.judged(report)


def _without_check(path: ModuleSource, error: Exception, options: Options, ready: ResolvedOptions) -> ModuleReport:
    from hubcheck.run.checker import report_without_check

    return report_without_check(path, error, options, ready)


def _cluster(options: Options, stack: ExitStack) -> Cluster | None:
    if options.cluster is None:
        return None
    from hubcheck.run.dask_cluster import connected

    return stack.enter_context(connected(options))


def _locally(
    paths: Iterable[ModuleSource], count: int, options: Options, ready: ResolvedOptions
) -> Iterator[ModuleReport | tuple[ModuleSource, Exception]]:
    if options.static and count > 1 and options.jobs != 1:
        from hubcheck.run import processes as local

        processes = local.processes(options, count)
        if processes > 1:
            yield from local.reports(paths, options, processes)
            return
    from hubcheck.run.checker import Checker  # of what is known from an earlier run nothing is checked

    with Checker(options) as checker:
        yield from checker.reports(paths, options, ready)
