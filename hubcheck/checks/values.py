"""What the values of a run show. Tolerances are relative, for an untrained network's outputs can be 1e-11."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hubcheck.checks.behaviour import percent
from hubcheck.checks.confirming import confirming
from hubcheck.checks.context import Context
from hubcheck.checks.faults import Checked, CheckItem, Fault, Skip
from hubcheck.checks.logits import linear_scores
from hubcheck.checks.precision import tolerance
from hubcheck.checks.runs import missed, replay, targets, where
from hubcheck.checks.signatures import default_signature
from hubcheck.module.types import Shape
from hubcheck.probe.observations import Observations, ProbeTarget
from hubcheck.util.numbers import difference

SAME_FUNCTION = 1e-3
"""Two outputs are one function's if they differ by at most this part of the largest value, in float32.

Folding a batch normalisation into the weights moves values by about 1e-5, another function by much more.
"""

_NO_LOGITS = "the scores are probabilities, not logits: {found}"
_SUM = 1e-3
"""Probabilities sum to 1 up to rounding, which half precision makes large."""


@confirming(default_signature)
def default_is_a_task(context: Context) -> Iterator[CheckItem]:
    """In inference, the default signature and the callable give what one of the task signatures gives."""
    seen: Observations = context.observations
    inference = context.module.inference
    if inference is None:
        yield Skip("there is no inference variant")
        return
    tasks = [
        target for target in targets(seen) if target.signature in context.contracts and target.variant == inference.name
    ]
    allowed = tolerance(context, SAME_FUNCTION)

    def stands_for_a_task(target: ProbeTarget) -> bool:
        of_default = target.signature == context.module.default_signature and target.signature not in context.contracts
        return not target.session and (_of_object(target) or (of_default and target.variant == inference.name))

    for target in filter(stands_for_a_task, targets(seen)):
        of_object = _of_object(target)
        distances = {task: found for task in tasks if (found := _distance(seen, target, task)) is not None}
        if not distances:
            continue
        yield Checked()
        nearest = min(distances, key=lambda task: distances[task])
        if distances[nearest] > allowed:
            name = "the callable" if of_object else "the default signature"
            wanted = " or ".join(f"the values of {task.signature}" for task in distances)
            message = f"{name} gives {{found}}" if of_object else "the default signature gives {found}"
            again = replay(target, "pictures")
            apart = _found(seen, target, nearest, distances[nearest])
            yield Fault(where(target, "outputs"), apart, wanted, message=message, replay=again)
    yield from missed(context, "pictures", of=stands_for_a_task)
    yield Skip("the default signature of inference is the task signature itself")


def _of_object(target: ProbeTarget) -> bool:
    """Whether this is the callable in inference."""
    return target.trace is not None and not target.trace.endswith("True")


@confirming(linear_scores)
def not_probabilities(context: Context, *, signature: str) -> Iterator[CheckItem]:
    """The scores of a classification are not what a softmax gives: rows within [0, 1] that all sum to 1."""
    import numpy

    seen: Observations = context.observations
    for target in targets(seen):
        if target.signature != signature:
            continue
        rows = [
            output.values
            for run in seen.calls(target, "pictures", "plain")
            for key, output in run.outputs.items()
            if key == "default" and output.values is not None and output.values.ndim == 2
        ]
        scores = [row for part in rows for row in part]
        if len({len(row) for row in scores}) != 1 or len(scores[0]) < 2:
            continue
        yield Checked()
        table = numpy.stack(scores).astype(numpy.float64)
        inside = (table >= 0).all() and (table <= 1 + _SUM).all()
        if inside and (numpy.abs(table.sum(axis=1) - 1) <= _SUM).all():
            found = f"those of all {len(table)} pictures lie in [0, 1] and sum to 1"
            again = replay(target, "pictures", "plain")
            yield Fault(where(target, "outputs", "default"), found, "logits", message=_NO_LOGITS, replay=again)
            return
    yield from missed(
        context, "pictures", "plain", of=lambda target: target.signature == signature and not target.session
    )
    yield Skip("no scores of a classification were seen")


def _found(seen: Observations, target: ProbeTarget, nearest: ProbeTarget, distance: float) -> str:
    mine, theirs = _result(seen, target), _result(seen, nearest)
    if mine is not None and theirs is not None and mine[0].shape != theirs[0].shape:
        return f"the shape {Shape(mine[0].shape)} where {nearest.signature} gives {Shape(theirs[0].shape)}"
    if distance == float("inf"):
        return f"values that are not finite where those of {nearest.signature} are"
    return f"other values: {percent(distance)} of the largest value apart from {nearest.signature}"


def _distance(seen: Observations, one: ProbeTarget, other: ProbeTarget) -> float | None:
    """How far apart the results for the same pictures are; None if there are no two results to compare."""
    mine, theirs = _result(seen, one), _result(seen, other)
    if mine is None or theirs is None:
        return None
    (values, fed), (others, fed_too) = mine, theirs
    if fed != fed_too:
        return None
    return difference(values, others) if values.shape == others.shape else float("inf")


def _result(seen: Observations, target: ProbeTarget) -> tuple[Any, tuple[Any, ...]] | None:
    """The one result of a target for `pictures`, and what was fed."""
    for run in seen.calls(target, "pictures"):
        kept = {key: output.values for key, output in run.outputs.items() if output.values is not None}
        key = "default" if "default" in kept else next(iter(kept)) if len(kept) == 1 else None
        if run.failure is None and key is not None:
            return kept[key], (run.images, run.size)
    return None
