"""What to check, and how: from the command line, from Python, and from a configuration."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hubcheck.module.limits import LIMITS, ReadLimits
from hubcheck.rulebook.levels import Level

if TYPE_CHECKING:
    from hubcheck.config.file import Config
    from hubcheck.probe.devices import DeviceRequest
    from hubcheck.probe.pool import ProbeOptions
    from hubcheck.sandbox.enforce import Mode


@dataclass(frozen=True, slots=True)
class Options:
    """What to check, and how: the options of `hubcheck validate`, over those of its configuration.

    `config` also says what does not count; so does `baseline`, a file of known findings. `cache` is a folder of
    reports of earlier runs, `store` one of modules that were fetched from servers. `limits` are how much of a module
    is read. `cluster` is the address of a Dask scheduler, or "local".
    """

    static: bool = False
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    rules: tuple[Path, ...] = ()
    fail_on: Level | None = None
    jobs: int | None = None
    run_unsafe: bool = False
    device: DeviceRequest | None = None
    sandbox: Mode = "auto"
    save_evidence: Path | None = None
    probe: ProbeOptions | None = None
    config: Config | None = None
    baseline: Path | None = None
    update_baseline: bool = False
    cache: Path | None = None
    details: bool = False
    limits: ReadLimits = LIMITS
    store: Path | None = None
    cluster: str | None = None


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
        limits=config.limits,
    )
