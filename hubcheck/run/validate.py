"""Paths to reports: find the modules, and check them here, in several processes, on a cluster, or from the cache."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hubcheck.config.file import read_config
from hubcheck.engine.module_report import ModuleReport
from hubcheck.engine.reports import Report
from hubcheck.module.limits import ReadLimits
from hubcheck.module.uri import ModuleSource, is_shared
from hubcheck.remote.fetch_options import user_cache
from hubcheck.remote.sources import find_sources, named_folders
from hubcheck.rulebook.convention import Convention
from hubcheck.rulebook.levels import Level
from hubcheck.run.options import Options
from hubcheck.run.progress import Progress, notebook_progress
from hubcheck.run.resolved import Keep, ResolvedOptions, resolve
from hubcheck.util import machine
from hubcheck.util.errors import ModuleUnavailable
from hubcheck.util.folders import ensure_writable

if TYPE_CHECKING:
    from hubcheck.probe.devices import DeviceRequest
    from hubcheck.probe.options import ProbeOptions
    from hubcheck.run.cluster.cluster import Cluster
    from hubcheck.sandbox.policy import Mode

_MIN_MODULES = 64
"""Modules from which on several processes are started by default: each takes a tenth of a second to start."""


def validate(  # noqa: PLR0913 - one for each option
    path: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    static: bool = False,
    select: Iterable[str] = (),
    ignore: Iterable[str] = (),
    rules: Iterable[str | os.PathLike[str]] = (),
    fail_on: Level | None = None,
    convention: Convention | None = None,
    jobs: int | None = None,
    run_unsafe: bool = False,
    device: DeviceRequest | None = None,
    sandbox: Mode | None = None,
    save_evidence: str | os.PathLike[str] | None = None,
    probe: ProbeOptions | None = None,
    limits: ReadLimits | None = None,
    cache: bool = True,
    config: str | os.PathLike[str] | None = None,
    cluster: str | None = None,
    links_below: Iterable[str | os.PathLike[str]] = (),
    exclude: Iterable[str] = (),
    progress: Callable[[Progress], object] | None = None,
) -> Report:
    """Check that modules follow the Common Signatures for Images.

    Args:
        path: a module, a folder with modules below it, or several of these; a URI is given as a string.
        static: decide from files alone, without TensorFlow.
        select: only these rules ("image-input/name") or groups ("image-input").
        ignore: all but these.
        rules: folders with rules and signatures of your own.
        fail_on: the level from which a finding makes the module fail: "error" (the default), "warning", "note".
        convention: what consumers call: "common-signatures" (the default), or "saved-model-api", the callable of a TF2
            SavedModel.
        jobs: how many modules run at a time; by default one per core.
        run_unsafe: run a module although a safety rule failed.
        device: where to run modules: "cpu", "gpu", "auto" (the default: also a GPU if there is one) or "all".
        sandbox: "auto" uses the protections that this machine has, "required" runs a module only if none that matters
            is missing, "off" keeps limits only; None: "required" for modules from servers, "auto" for others.
        save_evidence: a folder for the inputs and outputs of the runs, as .npz files.
        probe: how modules are run: deadline, memory, batch sizes.
        limits: how much of a module is read at most: a hubcheck.module.limits.ReadLimits.
        cache: keep what is fetched from servers, and that the configuration is valid, for later runs.
        config: a hubcheck.toml or pyproject.toml; none is looked for. The arguments above take precedence.
        cluster: the address of a Dask scheduler whose workers check the modules, or "local" for workers here.
        links_below: folders to whose files links in modules may lead, besides the folders in `path`.
        exclude: globs of modules and folders to leave out, relative to the working folder.
        progress: called with a Progress before the first module and after each one; in a notebook, a bar is shown by
            default. An exception that it raises ends the run.

    Returns:
        A Report with one ModuleReport for each module, in the order of the paths.

    Raises:
        NotAModule: there is no module at a path or URI.
        UnknownRule: a selection matches nothing.
        DataFileError: a rule, signature or configuration file cannot be used.
        UserError: the cluster cannot be reached, all modules are excluded, or evidence cannot be saved.
    """
    paths = [path] if isinstance(path, str | os.PathLike) else path
    options = Options(
        static=static,
        select=tuple(select),
        ignore=tuple(ignore),
        rules=tuple(Path(folder) for folder in rules),
        fail_on=fail_on,
        convention=convention,
        jobs=jobs,
        run_unsafe=run_unsafe,
        device=device,
        sandbox=sandbox,
        save_evidence=Path(save_evidence) if save_evidence is not None else None,
        probe=probe,
        config=read_config(Path(config), use_cache=cache) if config is not None else None,
        details=True,
        limits=limits,
        download_cache=user_cache() if cache else None,
        cluster=cluster,
        links_below=tuple(Path(folder).absolute() for folder in links_below),
        named=named_folders(paths),
        exclude=tuple(exclude),
    )
    begin = time.monotonic()
    plan = resolve(options)
    modules = modules_at(paths, plan)
    progress = progress if progress is not None else notebook_progress()
    with closing(stream(modules, plan)) as reports:
        report = plan.report(_telling(progress, reports, len(modules)) if progress is not None else reports)
    return replace(report, elapsed_s=round(time.monotonic() - begin, 3))


def _telling(
    progress: Callable[[Progress], object], reports: Iterable[ModuleReport], total: int
) -> Iterator[ModuleReport]:
    progress(Progress(0, total, None))
    for done, report in enumerate(reports, 1):
        progress(Progress(done, total, report))
        yield report


def modules_at(paths: Iterable[str | os.PathLike[str]], plan: ResolvedOptions) -> list[ModuleSource]:
    """Return every module at or below the paths and URIs that is not excluded, once each.

    Raises:
        NotAModule: there is none at one of them.
        UserError: all are excluded, or what the run is to save cannot be saved.
    """
    fetch = replace(plan.fetch, before_reading=partial(_read_download, plan))
    found = dict.fromkeys(module for path in paths for module in find_sources(path, fetch))
    kept = plan.exclusions.kept(list(found))
    if plan.options.save_evidence is not None:
        ensure_writable(plan.options.save_evidence, "evidence", "--save-evidence")
    return kept


def _read_download(plan: ResolvedOptions, path: Path) -> None:
    """Let another process read an archive that was downloaded to search for modules in it, if that may cost much."""
    from hubcheck.run.bounded_reading import BoundedReading

    try:
        BoundedReading(plan)(path, downloaded=True)
    except RuntimeError as error:  # the process died
        raise ModuleUnavailable(str(error)) from None


def stream(modules: Sequence[ModuleSource], plan: ResolvedOptions) -> Generator[ModuleReport, None, None]:
    """Yield reports one by one, in the order of `modules`; the next modules run meanwhile."""
    reports: Generator[ModuleReport, None, None]
    count = process_count(plan.options, len(modules)) if all(map(is_shared, modules)) else 1
    with ExitStack() as stack:
        stack.callback(plan.archives.close)
        cluster: Cluster | None = None
        if plan.options.cluster is not None:
            from hubcheck.run.cluster.connect import connected

            cluster = stack.enter_context(connected(plan))

        def check(unknown: Iterable[ModuleSource], keep: Keep) -> Generator[ModuleReport, None, None]:
            if cluster is not None:
                yield from cluster.reports(unknown, keep)
            else:
                yield from _locally(unknown, count, plan, keep)

        if plan.options.cache is not None and plan.options.save_evidence is None:
            from hubcheck.run.cached_reports import cached_or_checked

            environment = cluster.environment if cluster is not None else None
            reports = cached_or_checked(modules, plan, check, environment)
        else:
            reports = check(modules, lambda *_: None)
        # When the caller stops early, checks end before the cluster does.
        stack.callback(reports.close)
        yield from map(plan.apply_policy, reports)


def _locally(modules: Iterable[ModuleSource], count: int, plan: ResolvedOptions, keep: Keep) -> Iterator[ModuleReport]:
    """Check modules by `count` processes."""
    # Neither is imported when all reports are cached.
    if count > 1:
        from hubcheck.run import processes

        yield from processes.reports(modules, plan, count, keep)
        return
    from hubcheck.run.bounded_reading import BoundedReading
    from hubcheck.run.checker import Checker

    with Checker(plan) as checker:
        yield from checker.reports(modules, plan, keep, BoundedReading(plan))


def process_count(options: Options, modules: int) -> int:
    """Return how many processes check this many modules; 1 means that this process does."""
    if not (options.static and machine.HAS_WORKERS):
        return 1
    if options.jobs is not None:
        return min(options.jobs, modules)
    return machine.cores() if modules >= _MIN_MODULES else 1
