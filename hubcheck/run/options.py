"""What to check, and how: as the command line, Python and the configuration say it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hubcheck.module.limits import ReadLimits
from hubcheck.rulebook.convention import Convention
from hubcheck.rulebook.levels import Level
from hubcheck.util.record import record

if TYPE_CHECKING:
    from hubcheck.config.file import Config
    from hubcheck.probe.devices import DeviceRequest
    from hubcheck.probe.options import ProbeOptions
    from hubcheck.sandbox.policy import Mode


@record
class Options:
    """The options of `hubcheck validate`; what is not set is taken from `config`, if there is one.

    Attributes:
        baseline: a file of known findings, which do not fail.
        cache: the folder of reports of earlier runs; None: every module is checked.
        details: whether reports hold the details that the HTML report shows; they always do if there is a cache.
        limits: how much of a module is read at most.
        download_cache: the folder of modules fetched from servers; None: they are not kept.
        cluster: the address of a Dask scheduler, or "local".
        links_below: folders to whose files links in modules may lead.
        sandbox: how far modules must be isolated; None: "required" for modules from servers, "auto" for others.
        exclude: globs of modules that are left out, relative to the working folder.
        apart: whether this process only reads, within a deadline, for another one.
        named: the folders that were given as paths to check, to whose files links in the modules below may lead.
    """

    static: bool = False
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    rules: tuple[Path, ...] = ()
    fail_on: Level | None = None
    convention: Convention | None = None
    jobs: int | None = None
    run_unsafe: bool = False
    device: DeviceRequest | None = None
    sandbox: Mode | None = None
    save_evidence: Path | None = None
    probe: ProbeOptions | None = None
    config: Config | None = None
    baseline: Path | None = None
    update_baseline: bool = False
    cache: Path | None = None
    details: bool = False
    limits: ReadLimits | None = None
    download_cache: Path | None = None
    cluster: str | None = None
    links_below: tuple[Path, ...] = ()
    named: tuple[Path, ...] = ()
    exclude: tuple[str, ...] = ()
    apart: bool = False


def for_worker(options: Options) -> Options:
    """Return the options of a process that checks one module after the other for this one, which applies policies."""
    config = options.config and replace(options.config, baseline=None)
    return replace(
        options, jobs=1, cache=None, cluster=None, config=config, baseline=None, update_baseline=False,
        apart=options.static,
    )  # fmt: skip


def with_configuration(options: Options) -> Options:
    """Return the options with the values of `config` where nothing else is set; doing so twice changes nothing."""
    config = options.config
    if config is None:
        return options
    probe = options.probe
    if config.timeout or config.memory:
        from hubcheck.probe.options import ProbeOptions

        timeout = config.timeout or ProbeOptions().timeout
        probe = probe or ProbeOptions(timeout=timeout)
        probe = replace(probe, memory=probe.memory or config.memory)
    return replace(
        options,
        static=options.static or config.static,
        rules=tuple(dict.fromkeys((*config.rules, *options.rules))),
        fail_on=options.fail_on or config.fail_on,
        convention=options.convention or config.convention,
        jobs=options.jobs or config.jobs,
        device=options.device or config.device,
        probe=probe,
        baseline=options.baseline or config.baseline,
        limits=options.limits or config.limits,
        links_below=tuple(dict.fromkeys((*config.links_below, *options.links_below))),
    )
