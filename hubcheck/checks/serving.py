"""Whether the loader of TensorFlow Serving takes the module: the session loader knows neither objects nor Python."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hubcheck.checks.context import Context
from hubcheck.checks.faults import Checked, CheckItem, Fault, Skip, Where
from hubcheck.checks.precision import tolerance
from hubcheck.checks.targets import failure_fix, failure_text, not_called, place_of, replay_of
from hubcheck.graph.devices.placement import is_compiled, must_compile
from hubcheck.probe.tolerances import SAME_LOADER
from hubcheck.util.numbers import difference, percent

if TYPE_CHECKING:
    from hubcheck.probe.observations import Failure, Observations, ProbeTarget, Run

_FIXES = {
    "pinned": "Export it without device pins (no tf.device, or clear_devices=True): sessions obey them.",
    "kernel": "Replace the op by ops that have a kernel for CPUs and these dtypes.",
}
_FIX_UNKNOWN = (
    "Load and run the module with tf.compat.v1.saved_model.load in a new session before you publish it: "
    "servers do the same, and fail in the same way."
)
_ONLY_A_RUN = Skip("only a run shows whether the session loader takes it", undecided=True)


def must_be_compiled(context: Context) -> Iterator[CheckItem]:
    """No signature runs a function that XLA must compile: a note, because servers without XLA refuse the call."""
    inference = context.module.inference
    analysis = context.analysis(inference) if inference is not None else None
    if inference is not None and analysis is not None and any(map(is_compiled, analysis.bodies)):
        for frame in analysis.execution.frames:
            if must_compile(frame) and frame.outermost is analysis.graph.main:
                yield Fault(
                    Where(inference.name),
                    f"{frame.body.function}, marked jit_compile=True",
                    "functions that run without XLA, too",
                    message="a server that is built without XLA refuses the call, because XLA must compile {found}",
                    fix="Export the function without jit_compile=True; whoever wants XLA can turn it on.",
                    level="note",
                    group="XLA",
                )
    yield _ONLY_A_RUN


def servable(context: Context, observations: Observations) -> Iterator[CheckItem]:
    """The session loader restores the inference variant, runs its signatures, and has the results of the object."""
    inference = context.module.inference
    name = inference.name if inference is not None else None
    loads = [load for load in observations.loads if load.session and load.variant == name]
    if not loads:
        yield _not_tried(context, observations)
    for load in loads:
        yield Checked()
        if load.failure is not None:
            yield _failure_fault(Where(load.variant), load.failure, "a session that is restored")
    allowed = tolerance(context, SAME_LOADER)
    for run in observations.runs:
        if run.target.session and run.purpose != "gradients":
            yield from _faults(observations, run, allowed)
    yield from not_called(observations, "alone", "pictures", of=lambda target: target.session)


def _not_tried(context: Context, observations: Observations) -> Skip:
    """Return why the session loader was not tried."""
    inference = context.module.inference
    if inference is None:
        return Skip("there is no inference variant for the session loader to restore")
    if inference.hardware is not None:
        return Skip(f"the inference variant is for a {inference.hardware} alone")
    if not any(device.ran for device in observations.devices if device.name == "cpu"):
        return Skip("the session loader is tried on a CPU alone, and the module was not run on one")
    ended = next((entry.reason for entry in observations.not_run if entry.target is None and entry.device), None)
    return Skip(ended or "the run ended before the session loader was tried", incomplete=True)


def _faults(observations: Observations, run: Run, allowed: float) -> Iterator[Fault]:
    """Yield the fault that a run has in a session and not with the object loader."""
    from hubcheck.probe.observations import ProbeTarget

    replay = replay_of(run.target, [run.purpose])
    restored = ProbeTarget(run.target.variant, run.target.signature)
    if run.failure is not None:
        if all(other.failure is None for other in observations.calls(restored, run.purpose)):
            yield _failure_fault(place_of(run.target), run.failure, "a result in a session", replay)
        return
    for key, output in run.outputs.items():
        other = observations.values(restored, run.purpose, key)
        if output.values is None or other is None or other.shape != output.values.shape:
            continue
        distance = difference(output.values, other)
        if distance > allowed and _is_repeatable(observations, restored, key, allowed):
            found = f"values that differ by {percent(distance)} of the largest one from those of tf.saved_model.load"
            message = "in a session it returns other values than after tf.saved_model.load"
            yield Fault(
                place_of(run.target, "outputs", key),
                found,
                "the same values",
                message=message,
                replay=replay,
                group="other values",
                varies=True,
            )
            return


def _failure_fault(where: Where, failure: Failure, wanted: str, replay: tuple[str, ...] = ()) -> Fault:
    """Return the fault of a failure in a session. The rule's own fix is for state that only the object has."""
    text = failure_text(failure)
    fix = failure_fix(failure) or _FIXES.get(failure.kind, _FIX_UNKNOWN)
    return Fault(where, text, wanted, replay=replay, fix=fix, group=text)


def _is_repeatable(observations: Observations, target: ProbeTarget, key: str, allowed: float) -> bool:
    """Return whether the object has the same result twice; otherwise nothing can be compared with it."""
    first, again = observations.values(target, "pictures", key), observations.values(target, "again", key)
    if first is None or again is None:
        return True
    return bool(first.shape == again.shape and difference(first, again) <= allowed)
