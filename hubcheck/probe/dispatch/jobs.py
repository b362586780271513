"""A job runs one module; it is divided into tasks, each done by one worker on one device."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

from hubcheck.module.module_files import LinkedFile
from hubcheck.probe.dispatch.collector import Collector
from hubcheck.probe.observations import Device, Load, Observations
from hubcheck.probe.options import ProbeOptions
from hubcheck.probe.plan.module_steps import ModuleSteps
from hubcheck.probe.plan.steps import ProbePlan, Step
from hubcheck.sandbox.policy import Mode

SOFT_DEADLINE = 0.6
"""The share of the timeout after which a worker leaves out optional calls."""


class ProbeError(RuntimeError):
    """Modules cannot be run here or, if it is `internal`, hubcheck's own code failed. Never the module's fault."""

    def __init__(self, reason: str, *, internal: bool = False) -> None:
        super().__init__(reason)
        self.internal = internal


@dataclass(slots=True, eq=False)
class WorkerTask:
    """The part of a job that one worker does. `collector` holds what it observed, once it has ended.

    A task that was `tried` runs once more, while no other does: it ran out of its share of the memory, or its worker
    died.
    """

    job: Job
    plan: ProbePlan
    tried: bool = False
    collector: Collector | None = None


@dataclass(slots=True, eq=False)
class Job:
    """The run of one module on some devices; `absent` are those that it cannot run on.

    `path` is the module's folder, `linked` are the files outside of it that it consists of, `is_small` says that one
    worker is enough, and `begin` is when its turn came.
    """

    path: str
    linked: Mapping[str, LinkedFile]
    steps: ModuleSteps
    devices: tuple[str, ...]
    absent: tuple[Device, ...]
    options: ProbeOptions
    sandbox: Mode
    threads: int
    is_small: bool = False
    future: Future[Observations] = field(default_factory=Future)
    tasks: list[WorkerTask] = field(default_factory=list)
    begin: float = 0.0

    def divide(self, *, side_by_side: bool) -> list[WorkerTask]:
        """Make the tasks: one for each device, or several for the CPU if a second worker would be idle otherwise."""
        self.begin = time.monotonic()
        for device in self.devices:
            if device != "cpu":
                divided: tuple[Sequence[Step], ...] = (self.steps.without_repetitions(),)
            else:
                divided = (
                    self.steps.side_by_side() if side_by_side and not self.is_small else (self.steps.for_one_worker(),)
                )
            for steps in divided:
                soft_deadline = self.options.timeout * SOFT_DEADLINE
                plan = ProbePlan(
                    self.path, tuple(steps), device, self.options.seed, self.threads, soft_deadline, self.linked
                )
                self.tasks.append(WorkerTask(self, plan))
        return self.tasks

    def finish(self) -> None:
        """Set the future's result, if all tasks are done."""
        if all(task.collector is not None for task in self.tasks):
            with contextlib.suppress(Exception):  # cancelled or failed meanwhile
                self.future.set_result(self._observations())

    def fail(self, reason: str, *, internal: bool = False) -> None:
        """Set a ProbeError as the future's exception, unless it is done."""
        with contextlib.suppress(Exception):  # done or cancelled meanwhile
            self.future.set_exception(ProbeError(reason, internal=internal))

    def _observations(self) -> Observations:
        """Combine what all tasks observed, in the order of the plan."""
        done = [(task.plan.device, task.collector) for task in self.tasks if task.collector is not None]
        devices = {name: Device(name, collector.absent is None, collector.absent) for name, collector in done}
        collectors = [collector for _, collector in done]
        not_planned = (replace(entry, device=device) for device in self.devices for entry in self.steps.not_run)
        return Observations(
            devices=(*devices.values(), *self.absent),
            loads=_without_duplicates(load for collector in collectors for load in collector.loads),
            runs=tuple(run for collector in collectors for run in collector.runs),
            not_run=(*not_planned, *(entry for collector in collectors for entry in collector.not_run)),
            sandbox=tuple(dict.fromkeys(name for collector in collectors for name in collector.enforced or ())),
            sandbox_missing=tuple(dict.fromkeys(name for collector in collectors for name in collector.missing)),
            settings=self.options.settings,
            seconds=time.monotonic() - self.begin,
        )


def _without_duplicates(loads: Iterator[Load]) -> tuple[Load, ...]:
    """Keep one load per variant, device and loader, preferably one that failed."""
    kept: dict[tuple[str, str, bool], Load] = {}
    for load in loads:
        key = (load.variant, load.device, load.session)
        if key not in kept or (load.failure is not None and kept[key].failure is None):
            kept[key] = load
    return tuple(kept.values())
