"""The pool: run modules in workers, a few at a time, and return their observations."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future

from hubcheck.module.types import Module
from hubcheck.module.uri import Uri
from hubcheck.probe.dispatch.dispatcher import Dispatcher
from hubcheck.probe.dispatch.jobs import Job, ProbeError
from hubcheck.probe.observations import Device, Observations, ProbeTarget
from hubcheck.probe.options import ProbeOptions
from hubcheck.probe.plan.module_steps import ModuleSteps
from hubcheck.probe.plan.planning import plan_steps
from hubcheck.rulebook.contract import SignatureContract
from hubcheck.rulebook.convention import DEFAULT_CONVENTION, Convention
from hubcheck.sandbox.enforce import unavailable
from hubcheck.sandbox.policy import Mode, SandboxUnavailable
from hubcheck.util.machine import cores

__all__ = ["Pool", "ProbeError", "SandboxUnavailable"]

_SMALL_GRAPH, _SMALL_INPUT = 500_000, 1_000_000
"""Bytes of a graph, and numbers of an input, up to which a second worker for the same module takes more CPU time to
start and to load it than it saves."""


class Pool:
    """Workers for probes. Creating a pool starts the servers at once, so that TensorFlow's import overlaps other work.

    Use it as a context manager: leaving the block ends whatever still runs. All methods are thread-safe. A server that
    has imported TensorFlow waits some minutes for another pool of this process (see dispatch/kept_servers.py).

    Args:
        jobs: workers at a time; by default one per core.
        sandbox: "auto" uses the layers that this machine has, "required" fails if one that matters is missing, "off"
            keeps the resource limits only. None: "required" for modules from servers, "auto" for others.
        devices: "cpu", "gpu" or both, as `hubcheck.probe.devices.select_devices` returns them.
        absent: devices to report as not used, with the reasons.
        command: a program to start instead of the server, for tests.

    Raises:
        SandboxUnavailable: the sandbox is required, and this machine lacks a layer of it.
    """

    def __init__(
        self,
        *,
        jobs: int | None = None,
        sandbox: Mode | None = None,
        devices: Sequence[str] = ("cpu",),
        absent: Sequence[Device] = (),
        command: Sequence[str] | None = None,
    ) -> None:
        reason = unavailable() if sandbox == "required" else None
        if reason is not None:
            raise SandboxUnavailable(reason)
        available = cores()
        self._jobs = max(1, jobs if jobs is not None else available)
        self._threads = max(1, available // self._jobs)
        self._sandbox = sandbox
        self._devices, self._absent = tuple(devices), tuple(absent)
        self._dispatcher = Dispatcher(self._devices, self._jobs, command, sandbox)
        self._close = weakref.finalize(self, self._dispatcher.close)

    def submit(
        self,
        module: Module,
        contracts: Mapping[str, SignatureContract],
        options: ProbeOptions | None = None,
        *,
        convention: Convention = DEFAULT_CONVENTION,
        may_vary: Callable[[ProbeTarget], bool] = lambda target: True,
    ) -> Future[Observations]:
        """Run a module, and call what the convention judges it on. Its failures are part of the observations.

        `may_vary` says of a target that trains whether its results may vary from call to call, or need no repetition.

        Raises (from the future):
            ProbeError: nothing could be run, or hubcheck's own code failed in the worker.
        """
        options = options or ProbeOptions()
        steps = plan_steps(
            module, contracts, larger_batch=options.larger_batch, convention=convention, may_vary=may_vary
        )
        return self.submit_steps(module, steps, options)

    def submit_steps(self, module: Module, steps: ModuleSteps, options: ProbeOptions) -> Future[Observations]:
        """Run some of the steps that `plan_steps` returns for a module; otherwise like `submit`."""
        job = Job(
            path=str(module.folder.absolute()),
            linked=module.files_at.linked if module.files_at is not None else {},
            steps=steps,
            devices=self._devices,
            absent=self._absent,
            options=options,
            sandbox=self._sandbox or ("required" if isinstance(module.path, Uri) else "auto"),
            threads=self._threads,
            is_small=_is_small(module, steps),
        )
        self._dispatcher.submit(job)
        return job.future

    def close(self) -> None:
        """End everything that runs and wait until it has ended. Futures that are not done are cancelled."""
        self._close()

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _is_small(module: Module, steps: ModuleSteps) -> bool:
    inputs = (spec for variant in steps.variants for step in variant.calls for spec in step.inputs.values())
    numbers = max((math.prod(spec.shape) for spec in inputs), default=0)
    try:
        return numbers <= _SMALL_INPUT and (module.folder / module.file).stat().st_size <= _SMALL_GRAPH
    except OSError:  # it was removed; its run says so
        return True
