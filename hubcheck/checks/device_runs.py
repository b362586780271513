"""What runs on a CPU and on a GPU tell of each other: where the rules hold, and whether the results agree."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from hubcheck.checks import behaviour
from hubcheck.checks import runs as running
from hubcheck.checks.behaviour import percent
from hubcheck.checks.context import Context
from hubcheck.checks.faults import Checked, CheckItem, Fault, Skip
from hubcheck.checks.precision import tolerance
from hubcheck.checks.runs import failed, replay, where
from hubcheck.probe.observations import Observations
from hubcheck.util.numbers import difference

AGREEMENT = 1e-3
"""Kernels of two devices add up in another order: about 1e-5 in deep networks, with TF32 off."""

_COMPARED = ("pictures", "plain", "resized")

Check = Callable[[Context], Iterator[CheckItem]]

_BEHAVIOUR: dict[str, Check] = {
    "loads": running.loads,
    "runs": running.runs,
    "takes any batch size": running.batch_size,
    "has the declared shapes": running.declared_shape,
    "is deterministic": behaviour.deterministic,
    "treats rows apart": behaviour.batch_independence,
    "is finite": behaviour.finite,
}


def cpu(context: Context) -> Iterator[CheckItem]:
    """The CPU has a kernel for every op that runs, and keeps each rule that a GPU keeps."""
    seen: Observations = context.observations
    if not _ran(seen, "cpu"):
        yield Skip("it was not run on a CPU")
        return
    yield Checked()
    told: set[str] = set()
    for run in seen.runs:
        if run.device == "cpu" and run.failure is not None and run.failure.kind == "kernel":
            if run.failure.message not in told:
                told.add(run.failure.message)
                again = replay(run.target, run.purpose)
                yield failed(where(run.target), run.failure, "kernels that every CPU has", again=again)
            continue
    if _ran(seen, "gpu"):
        yield from _only_on(context, "cpu", "gpu")


def gpu(context: Context) -> Iterator[CheckItem]:
    """What holds on the CPU holds on a GPU, too."""
    seen: Observations = context.observations
    if not _ran(seen, "gpu"):
        yield Skip(next((d.reason for d in seen.devices if d.name == "gpu" and d.reason), "it was not run on a GPU"))
        return
    yield Checked()
    if _ran(seen, "cpu"):
        yield from _only_on(context, "gpu", "cpu")
    # On a GPU alone, the behaviour rules themselves judge it.


def agreement(context: Context) -> Iterator[CheckItem]:
    """CPU and GPU give the same results for the same pictures."""
    seen: Observations = context.observations
    if not (_ran(seen, "cpu") and _ran(seen, "gpu")):
        yield Skip("it takes a CPU and a GPU to compare")
        return
    yield Checked()
    told: set[object] = set()
    allowed = tolerance(context, AGREEMENT)
    for run in seen.runs:
        if run.device != "cpu" or run.purpose not in _COMPARED or run.failure is not None:
            continue
        if behaviour.trains(context, run.target) or run.target.session or run.target in told:
            continue
        for key, output in run.outputs.items():
            other = seen.values(run.target, run.purpose, key, device="gpu")
            if output.values is None or other is None or other.shape != output.values.shape:
                continue
            distance = difference(output.values, other)
            if distance > allowed:
                told.add(run.target)
                found = f"results {percent(distance)} of the largest value apart"
                wanted = f"results less than {percent(allowed)} apart"
                again = (*replay(run.target, run.purpose), "--device", "all")
                yield Fault(where(run.target, "outputs", key or None), found, wanted, replay=again)
    for device in ("cpu", "gpu"):
        judged = replace(context, observations=replace(seen, judged=device))
        yield from running.missed(
            judged, *_COMPARED, of=lambda target: not target.session and not behaviour.trains(context, target)
        )


def _ran(seen: Observations, device: str) -> bool:
    return any(entry.name == device and entry.ran for entry in seen.devices)


def _only_on(context: Context, device: str, other: str) -> Iterator[Fault]:
    """The faults of behaviour that the module has on one device and not on the other."""
    for name, check in _BEHAVIOUR.items():
        mine = _faults(context, device, check)
        if mine and not _faults(context, other, check):
            for fault in mine:
                message = f"on the {device.upper()} alone it does not hold that it {name}: {{found}}"
                yield replace(fault, message=message, replay=(*fault.replay, "--device", device))


def _faults(context: Context, device: str, check: Check) -> list[Fault]:
    judged = replace(context, observations=replace(context.observations, judged=device))
    return [item for item in check(judged) if isinstance(item, Fault)]
