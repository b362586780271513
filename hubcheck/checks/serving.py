"""Does TensorFlow Serving's loader take the module, too: the session loader knows neither objects nor Python."""

from __future__ import annotations

from collections.abc import Iterator

from hubcheck.checks.behaviour import percent
from hubcheck.checks.context import Context
from hubcheck.checks.faults import Checked, CheckItem, Fault, Skip, Where
from hubcheck.checks.precision import tolerance
from hubcheck.checks.runs import failed, missed, replay, where
from hubcheck.probe.observations import Observations, ProbeTarget, Run
from hubcheck.util.numbers import difference

SAME_VALUES = 1e-3
"""Both loaders run the same graph; only its optimisation differs, by about 1e-6."""


def servable(context: Context) -> Iterator[CheckItem]:
    """The session loader restores the inference variant, runs its signatures, and gives what the object gives."""
    seen: Observations = context.observations
    attempts = [load for load in seen.loads if load.session]
    if not attempts:
        ended = next((entry.reason for entry in seen.not_run if entry.target is None and entry.device), None)
        yield Skip(ended or "the session loader was not tried", incomplete=ended is not None)
    for load in attempts:
        yield Checked()
        if load.failure is not None:
            yield failed(Where(load.variant), load.failure, "a session that is restored")
    told: set[str | None] = set()
    for run in seen.runs:
        fault = _fault(seen, run, tolerance(context, SAME_VALUES)) if run.target.session else None
        if fault is not None and (fault.message or fault.found) not in told:
            told.add(fault.message or fault.found)
            yield fault
    yield from missed(context, "alone", "pictures", of=lambda target: target.session)


def _fault(seen: Observations, run: Run, allowed: float) -> Fault | None:
    """What is wrong with a run in a session that is not wrong with the object."""
    again = replay(run.target, run.purpose)
    plain = ProbeTarget(run.target.variant, run.target.signature)
    if run.failure is not None:
        if any(other.failure is not None for other in seen.calls(plain, run.purpose)):
            return None

        return failed(where(run.target), run.failure, "a result in a session", again=again)
    for key, output in run.outputs.items():
        other = seen.values(plain, run.purpose, key)
        if not _steady(seen, plain, key, allowed):
            continue
        if output.values is None or other is None or other.shape != output.values.shape:
            continue
        distance = difference(output.values, other)
        if distance > allowed:
            found = f"values {percent(distance)} of the largest one apart from those of tf.saved_model.load"
            message = "in a session it gives {found}"
            return Fault(where(run.target, "outputs", key), found, "the same values", message=message, replay=again)
    return None


def _steady(seen: Observations, target: ProbeTarget, key: str, allowed: float) -> bool:
    """Whether the object gives the same result twice; else nothing can be compared with it."""
    first, again = seen.values(target, "pictures", key), seen.values(target, "again", key)
    if first is None or again is None:
        return True
    return bool(first.shape == again.shape and difference(first, again) <= allowed)
