"""What runs on a CPU and on a GPU show of each other: whether the rules hold on both, and whether the results agree."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from hubcheck.checks import behaviour, runs
from hubcheck.checks.context import Context
from hubcheck.checks.corroboration import corroborating
from hubcheck.checks.faults import Checked, CheckItem, Fault, Skip
from hubcheck.checks.grouping import distinct
from hubcheck.checks.loading import loads
from hubcheck.checks.precision import tolerance
from hubcheck.checks.targets import failure_fault, is_for_training, not_called_in_inference, place_of, replay_of
from hubcheck.probe.observations import CONSTANT, Observations, Purpose
from hubcheck.probe.tolerances import SAME_DEVICE
from hubcheck.util.numbers import difference, percent

_COMPARED: tuple[Purpose, ...] = ("pictures", *CONSTANT, "resized")

Check = Callable[[Context, Observations], Iterator[CheckItem]]

_BEHAVIOUR: dict[str, Check] = {
    "loads": loads,
    "runs": runs.runs,
    "takes any batch size": runs.batch_size,
    "has the declared shapes": runs.declared_shape,
    "is deterministic": behaviour.deterministic,
    "treats rows independently": behaviour.batch_independence,
    "is finite": behaviour.finite,
}


@corroborating
def cpu(context: Context, observations: Observations) -> Iterator[CheckItem]:
    """The CPU has a kernel for every op that runs, and each rule that holds on a GPU holds on the CPU."""
    if not _ran(observations, "cpu"):
        yield Skip("it was not run on a CPU")
        return
    yield Checked()
    for run in observations.runs:
        if run.device != "cpu" or run.purpose == "gradients":
            continue
        if run.failure is not None and run.failure.kind == "kernel":
            replay, group = replay_of(run.target, [run.purpose]), run.failure.message
            yield failure_fault(place_of(run.target), run.failure, "kernels that every CPU has", replay, group=group)
    if _ran(observations, "gpu"):
        yield from _faults_only_on(context, observations, "cpu", "gpu")


def gpu(context: Context, observations: Observations) -> Iterator[CheckItem]:
    """Each rule that holds on the CPU holds on a GPU."""
    if not _ran(observations, "gpu"):
        reasons = (device.reason for device in observations.devices if device.name == "gpu" and device.reason)
        yield Skip(next(reasons, "it was not run on a GPU"))
        return
    yield Checked()
    # On a GPU alone, the behaviour rules themselves judge it.
    if _ran(observations, "cpu"):
        yield from _faults_only_on(context, observations, "gpu", "cpu")


def agreement(context: Context, observations: Observations) -> Iterator[CheckItem]:
    """CPU and GPU have the same results for the same images."""
    if not (_ran(observations, "cpu") and _ran(observations, "gpu")):
        yield Skip("it takes a CPU and a GPU to compare")
        return
    yield Checked()
    allowed = tolerance(context, SAME_DEVICE)
    for run in observations.runs:
        if run.device != "cpu" or run.purpose not in _COMPARED or run.failure is not None:
            continue
        if run.target.session or is_for_training(context, run.target):
            continue
        for key, output in run.outputs.items():
            other = observations.values(run.target, run.purpose, key, device="gpu")
            if output.values is None or other is None or other.shape != output.values.shape:
                continue
            distance = difference(output.values, other)
            if distance > allowed:
                yield Fault(
                    place_of(run.target, "outputs", key or None),
                    f"results that differ by {percent(distance)} of the largest value",
                    f"results that differ by less than {percent(allowed)}",
                    message="the GPU has other results than the CPU for the same images",
                    replay=replay_of(run.target, [run.purpose], "--device", "all"),
                    group=run.target,
                    varies=True,
                )
    for device in ("cpu", "gpu"):
        yield from not_called_in_inference(context, replace(observations, judged=device), *_COMPARED)


def _ran(observations: Observations, device: str) -> bool:
    return any(entry.name == device and entry.ran for entry in observations.devices)


def _faults_only_on(context: Context, observations: Observations, device: str, other: str) -> Iterator[Fault]:
    """Yield the faults of behaviour that the module has on one device and not on the other.

    Only calls that both devices made count: the other device did not pass what it was not asked.
    """
    made = {(run.target, run.purpose) for run in observations.runs if run.device == other}
    runs = tuple(run for run in observations.runs if run.device == other or (run.target, run.purpose) in made)
    observations = replace(observations, runs=runs)
    for name, check in _BEHAVIOUR.items():
        faults = _faults(context, observations, device, check)
        if faults and not _faults(context, observations, other, check):
            for fault in faults:
                detail = "" if fault.varies else ": {found}"
                message = f"on the {device.upper()} alone, it is not true that the module {name}{detail}"
                replay = (*fault.replay, "--device", device)
                yield replace(fault, message=message, replay=replay, group=None, secondary=False)


def _faults(context: Context, observations: Observations, device: str, check: Check) -> list[Fault]:
    items = check(context, replace(observations, judged=device))
    return [item for item in distinct(items, context.module) if isinstance(item, Fault)]
