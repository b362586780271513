"""Whether the default signature and the callable return in a run what a task signature returns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hubcheck.checks.context import Context
from hubcheck.checks.corroboration import corroborating
from hubcheck.checks.faults import Checked, CheckItem, Fault, Skip
from hubcheck.checks.precision import tolerance
from hubcheck.checks.targets import called, is_for_training, not_called, place_of, replay_of
from hubcheck.module.tensors import Shape
from hubcheck.probe.observations import Observations, ProbeTarget
from hubcheck.probe.tolerances import SAME_FUNCTION
from hubcheck.util.numbers import difference, percent


@corroborating
def default_is_a_task(context: Context, observations: Observations) -> Iterator[CheckItem]:
    """In inference, the default signature and the callable return what one of the task signatures returns."""
    inference, default = context.module.inference, context.module.default_signature
    if inference is None:
        yield Skip("there is no inference variant")
        return

    def stands_for_a_task(target: ProbeTarget) -> bool:
        if target.session or is_for_training(context, target):
            return False
        return target.trace is not None or (target.signature == default and default not in context.contracts)

    targets = called(observations)
    tasks = [target for target in targets if target.signature in context.contracts and target.variant == inference.name]
    if not any(context.common_signatures()):
        yield Skip("needs module/task-signature", needs="module/task-signature")
        return
    allowed = tolerance(context, SAME_FUNCTION)
    for target in filter(stands_for_a_task, targets):
        distances = {task: found for task in tasks if (found := _distance(observations, target, task)) is not None}
        if not distances:
            continue
        yield Checked()
        nearest = min(distances, key=distances.__getitem__)
        if distances[nearest] > allowed:
            name = "the callable" if target.trace is not None else "the default signature"
            differing, measured = _result_beside(observations, target, nearest, distances[nearest])
            yield Fault(
                place_of(target, "outputs"),
                f"{differing}{measured}",
                " or ".join(f"the values of {task.signature}" for task in distances),
                message=f"{name} returns {differing}",
                replay=replay_of(target, ["pictures"]),
                varies=True,
            )
    yield from not_called(observations, "pictures", of=stands_for_a_task)
    yield Skip("the default signature of inference is the task signature itself")


def _result_beside(
    observations: Observations, target: ProbeTarget, nearest: ProbeTarget, distance: float
) -> tuple[str, str]:
    """Return what a target returns instead of the result of the nearest one, and the difference, which varies."""
    mine, theirs = _result(observations, target), _result(observations, nearest)
    if mine is not None and theirs is not None and mine[0].shape != theirs[0].shape:
        return f"the shape {Shape(mine[0].shape)} where {nearest.signature} returns {Shape(theirs[0].shape)}", ""
    if distance == float("inf"):
        return f"values that are not finite where those of {nearest.signature} are", ""
    return f"other values than {nearest.signature}", f": they differ by {percent(distance)} of the largest value"


def _distance(observations: Observations, one: ProbeTarget, other: ProbeTarget) -> float | None:
    """Return how far apart the results for the same images are; None if there are no two results to compare."""
    mine, theirs = _result(observations, one), _result(observations, other)
    if mine is None or theirs is None or mine[1] != theirs[1]:
        return None
    values, others = mine[0], theirs[0]
    return difference(values, others) if values.shape == others.shape else float("inf")


def _result(observations: Observations, target: ProbeTarget) -> tuple[Any, tuple[object, ...]] | None:
    """Return the one result of a target for `pictures`, and its input."""
    for run in observations.calls(target, "pictures"):
        arrays = {key: output.values for key, output in run.outputs.items() if output.values is not None}
        key = "default" if "default" in arrays else next(iter(arrays)) if len(arrays) == 1 else None
        if run.failure is None and key is not None:
            return arrays[key], (run.images, run.size)
    return None
