"""The pool: runs modules in workers, a few at a time, and gives back what was seen."""

from __future__ import annotations

import os
import weakref
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from types import TracebackType

from hubcheck.module.types import Module
from hubcheck.probe.dispatch.dispatcher import Dispatcher
from hubcheck.probe.dispatch.environment import tensorflow_missing
from hubcheck.probe.dispatch.jobs import Job, ProbeError, WorkerLimits
from hubcheck.probe.observations import Device, Observations
from hubcheck.probe.plan.planning import ModuleSteps, plan_steps
from hubcheck.rulebook.contract import SignatureContract
from hubcheck.sandbox.enforce import Mode, SandboxUnavailable, unavailable

__all__ = ["Pool", "ProbeError", "ProbeOptions", "SandboxUnavailable", "tensorflow_missing"]


@dataclass(frozen=True, slots=True)
class ProbeOptions:
    """How a module is run.

    Args:
        timeout: wall seconds that a worker may take for one module on one device.
        memory: bytes that it may use; None: a fair share of what is free.
        larger_batch: the size of the largest batch that is tried, at least 4.
        seed: of the pictures' noise.
        patience: the part of the timeout after which calls are left out that tell less than others.
    """

    timeout: float = 180.0
    memory: int | None = None
    larger_batch: int = 5
    seed: int = 0
    patience: float = 0.6

    @property
    def settings(self) -> tuple[str, ...]:
        """The options of `hubcheck replay` that mean these, where they are not the defaults."""
        values: dict[str, float] = {"--seed": self.seed, "--larger-batch": self.larger_batch, "--timeout": self.timeout}
        usual = {"--seed": 0, "--larger-batch": 5, "--timeout": 180.0}
        changed = [(name, f"{value:g}") for name, value in values.items() if value != usual[name]]
        return tuple(word for pair in changed for word in pair)


class Pool:
    """Workers for probes. Creating one starts the server at once, so that TensorFlow's import overlaps other work.

    Use it as a context manager: on leaving, whatever still runs is ended. All methods may be called from any thread.

    Args:
        jobs: workers at a time; by default one per core.
        sandbox: "auto" takes what the machine has, "required" insists on all of it, "off" keeps limits only.
        devices: "cpu", "gpu" or both, as `hubcheck.probe.devices.choose` has them.
        absent: devices to report as not run, with their reasons.
        command: another program in place of the server, for tests.

    Raises:
        SandboxUnavailable: it is required and cannot be had.
    """

    def __init__(
        self,
        *,
        jobs: int | None = None,
        sandbox: Mode = "auto",
        devices: Sequence[str] = ("cpu",),
        absent: Sequence[Device] = (),
        command: Sequence[str] | None = None,
    ) -> None:
        reason = unavailable() if sandbox == "required" else None
        if reason is not None:
            raise SandboxUnavailable(reason)
        cores = len(os.sched_getaffinity(0))
        self._jobs = max(1, jobs if jobs is not None else cores)
        self._threads = cores if self._jobs == 1 else max(1, cores // self._jobs)
        self._sandbox = sandbox
        self._devices, self._absent = tuple(devices), tuple(absent)
        self._dispatcher = Dispatcher(self._devices, self._jobs, command)
        self._close = weakref.finalize(self, self._dispatcher.close)

    def submit(
        self, module: Module, contracts: Mapping[str, SignatureContract], options: ProbeOptions | None = None
    ) -> Future[Observations]:
        """Run a module. The future's result are the observations; what the module does wrong is among them.

        Raises (from the future):
            ProbeError: nothing could be run, or hubcheck's own code failed in the worker.
        """
        options = options or ProbeOptions()
        planned = plan_steps(module, contracts, larger_batch=options.larger_batch)
        return self.submit_planned(module, planned, options)

    def submit_planned(self, module: Module, planned: ModuleSteps, options: ProbeOptions) -> Future[Observations]:
        """Run a part of what `plan_steps` plans for a module; else like `submit`."""
        job = Job(
            path=str(module.folder.absolute()),
            planned=planned,
            devices=self._devices,
            absent=self._absent,
            limits=WorkerLimits(options.timeout, options.memory, self._sandbox, options.patience),
            seed=options.seed,
            threads=self._threads,
            settings=options.settings,
        )
        self._dispatcher.submit(job)
        return job.future

    @property
    def pids(self) -> list[int]:
        """The servers' process ids; their workers are their children."""
        return self._dispatcher.pids

    def close(self) -> None:
        """End everything that runs, and wait until it has ended. Futures that are not done get cancelled."""
        self._close()

    def __enter__(self) -> Pool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
