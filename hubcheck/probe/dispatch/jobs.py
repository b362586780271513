"""One module's way through the pool: the parts that workers do, and what comes of them together."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

from hubcheck.probe.dispatch.collect import Collector
from hubcheck.probe.observations import Device, Load, Observations
from hubcheck.probe.plan.planning import ModuleSteps
from hubcheck.probe.plan.steps import ProbePlan, Step


class ProbeError(RuntimeError):
    """Modules cannot be run here; or, where it is `internal`, hubcheck's own code failed. Never a module's fault."""

    def __init__(self, reason: str, *, internal: bool = False) -> None:
        super().__init__(reason)
        self.internal = internal


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """What a worker may use. `memory` is None for a fair share; `sandbox` is required, auto or off.

    `patience` is the part of the timeout after which optional calls are left out.
    """

    timeout: float
    memory: int | None
    sandbox: str
    patience: float = 0.6


@dataclass(slots=True)
class WorkerTask:
    """What one worker does for a job: a plan. `alone` is a second try, with all the memory there is."""

    plan: ProbePlan
    limits: WorkerLimits
    alone: bool = False


@dataclass(slots=True)
class Finished:
    """A part that is done, and the most memory that it used, in bytes."""

    part: WorkerTask
    collector: Collector
    peak: int


@dataclass(slots=True)
class Job:
    """One module: what is to be done, and what came of it so far."""

    path: str
    planned: ModuleSteps
    devices: tuple[str, ...]
    absent: tuple[Device, ...]
    limits: WorkerLimits
    seed: int
    threads: int
    settings: tuple[str, ...] = ()
    future: Future[Observations] = field(default_factory=Future)
    submitted: float = field(default_factory=time.monotonic)
    parts: list[WorkerTask] = field(default_factory=list)
    finished: list[Finished] = field(default_factory=list)

    def divide(self, *, side_by_side: bool) -> list[WorkerTask]:
        """Make the parts: one worker for each device, or two for the CPU where a second one has nothing to do."""
        for device in self.devices:
            if device != "cpu":
                self.parts.append(self._part(device, self.planned.calls_alone()))
            elif side_by_side:
                self.parts += [self._part(device, steps) for steps in self.planned.apart()]
            else:
                self.parts.append(self._part(device, self.planned.together()))
        return self.parts

    def _part(self, device: str, steps: Sequence[Step]) -> WorkerTask:
        soft = self.limits.timeout * self.limits.patience
        return WorkerTask(ProbePlan(self.path, tuple(steps), device, self.seed, self.threads, soft), self.limits)

    def observations(self) -> Observations:
        """What all parts saw, in the order of the plan."""
        order = {id(part): number for number, part in enumerate(self.parts)}
        finished = sorted(self.finished, key=lambda entry: order[id(entry.part)])
        collectors = [entry.collector for entry in finished]
        return Observations(
            devices=(*self._devices(finished), *self.absent),
            loads=_once([load for collector in collectors for load in collector.loads]),
            runs=tuple(run for collector in collectors for run in collector.runs),
            not_run=tuple(replace(entry, device=device) for device in self.devices for entry in self.planned.not_run)
            + tuple(entry for collector in collectors for entry in collector.not_run),
            sandbox=tuple(dict.fromkeys(name for collector in collectors for name in collector.sandbox)),
            unprotected=tuple(dict.fromkeys(name for collector in collectors for name in collector.unprotected)),
            peak_memory=max((entry.peak for entry in finished), default=0),
            seconds=time.monotonic() - self.submitted,
            settings=self.settings,
        )

    def _devices(self, finished: list[Finished]) -> list[Device]:
        found: dict[str, Device] = {}
        for entry in finished:
            name, collector = entry.part.plan.device, entry.collector
            if collector.absent is not None:
                found[name] = Device(name, False, collector.absent)
            else:
                found.setdefault(name, Device(name, True, None, collector.description))
        return list(found.values())


def _once(loads: list[Load]) -> tuple[Load, ...]:
    """Each variant, device and loader once; a load that failed tells more than one that did not."""
    found: dict[tuple[str, str, bool], Load] = {}
    for load in loads:
        key = (load.variant, load.device, load.session)
        if key not in found or (load.failure is not None and found[key].failure is None):
            found[key] = load
    return tuple(found.values())
