"""How a module behaves in inference: the same answer twice, each row by itself, finite, and telling pictures apart.

Tolerances are parts of the largest value that is compared, for an untrained network's outputs can be 1e-11.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from hubcheck.checks import randomness
from hubcheck.checks.confirming import confirming
from hubcheck.checks.context import Context
from hubcheck.checks.faults import Checked, CheckItem, Fault, Skip
from hubcheck.checks.precision import tolerance
from hubcheck.checks.runs import missed, once, replay, targets, where
from hubcheck.probe.observations import Observations, ProbeTarget, Run
from hubcheck.util.numbers import difference

if TYPE_CHECKING:
    import numpy as np

SAME_ANSWER = 1e-4
"""The order in which threads add up may change the last digits, about 1e-7."""

SAME_ROW = 1e-3
"""Kernels differ with the batch size; in deep networks that adds up to about 1e-5."""

CHANGES = 1e-5
"""A feature that changes by less than this part of its largest value does not tell pictures apart."""

MOST_DEAD = 0.99
"""Features that say nothing are common; only where hardly any other is left is it worth a warning."""

NO_VALUES = "there are no results to look at"


def trains(context: Context, target: ProbeTarget) -> bool:
    """Whether a target is meant for training: a trace with training=True, or another variant than inference."""
    if target.trace is not None:
        return target.trace.endswith("True")
    inference = context.module.inference
    return inference is None or target.variant != inference.name


def _inference(context: Context) -> list[ProbeTarget]:
    return [target for target in targets(context.observations) if not trains(context, target)]


def _missed(context: Context, *purposes: str) -> Iterator[Skip]:
    """Calls in inference that were left out."""
    return missed(context, *purposes, of=lambda target: not target.session and not trains(context, target))


def _values(seen: Observations, target: ProbeTarget, *purposes: str) -> Iterator[tuple[Run, str, Any]]:
    for run in seen.calls(target):
        if run.purpose in purposes and run.failure is None:
            for key, output in run.outputs.items():
                if output.values is not None:
                    yield run, key, output.values


@confirming(randomness.deterministic)
@once
def deterministic(context: Context) -> Iterator[CheckItem]:
    """The same pictures give the same result when they come again, after others."""
    seen: Observations = context.observations
    for target in _inference(context):
        first = {key: values for _, key, values in _values(seen, target, "pictures")}
        for _, key, values in _values(seen, target, "again"):
            yield Checked()
            distance = _distance(values, first.get(key))
            if distance > SAME_ANSWER:
                found = f"results differ by {percent(distance)} of the largest value"
                yield Fault(
                    where(target, "outputs", key or None),
                    found,
                    f"the same result, within {percent(SAME_ANSWER)}",
                    message="the same images give another result the second time: {found}",
                    replay=replay(target, "pictures", "again"),
                )
    yield from _missed(context, "again")
    yield Skip(NO_VALUES)


@once
def batch_independence(context: Context) -> Iterator[CheckItem]:
    """A row is the same alone, first among five, or last of two."""
    seen: Observations = context.observations
    allowed = tolerance(context, SAME_ROW)
    for target in _inference(context):
        reference: dict[str, tuple[Run, Any]] = {}
        for run, key, values in _values(seen, target, "pictures"):
            if len(values) == run.batch:
                reference[key] = (run, values)
        for run, key, values in _values(seen, target, "swapped", "alone"):
            if key not in reference or len(values) != run.batch:
                continue
            yield Checked()
            whole, rows = reference[key]
            places = [whole.images.index(name) for name in run.images]
            distance = max(_distance(values[row], rows[place]) for row, place in enumerate(places))
            if distance > allowed:
                found = (
                    f"in a batch of {run.batch} a row differs by {percent(distance)} of its largest value"
                    f" from what it is in a batch of {whole.batch}"
                )
                yield Fault(
                    where(target, "outputs", key or None),
                    found,
                    f"rows that differ by less than {percent(allowed)}",
                    replay=replay(target, "pictures", run.purpose),
                )
                break
    yield from _missed(context, "pictures", "swapped", "alone")
    yield Skip("it was not run at two batch sizes")


@once
def finite(context: Context) -> Iterator[CheckItem]:
    """No result is infinite or NaN, whatever the picture."""
    import numpy

    seen: Observations = context.observations
    for target in _inference(context):
        for run, key, values in _values(seen, target, "pictures", "plain", "swapped", "alone", "again"):
            yield Checked()
            wrong = ~numpy.isfinite(values)
            if wrong.any():
                kind = "NaN" if numpy.isnan(values).any() else "infinite"
                names = ", ".join(_pictures(run, wrong)) or "some"
                yield Fault(
                    where(target, "outputs", key or None),
                    f"{kind} in {int(wrong.sum())} of {values.size} values",
                    "finite numbers",
                    {"pictures": names, "kind": kind},
                    replay=replay(target, run.purpose),
                )
                break
    yield from _missed(context, "pictures", "plain")
    yield Skip(NO_VALUES)


@once
def informative(context: Context) -> Iterator[CheckItem]:
    """Different pictures give different results; what stands for a task signature is fed fewer, and says no more."""
    import numpy

    seen: Observations = context.observations
    for target in (target for target in _inference(context) if target.signature in context.contracts):
        parts: dict[str, list[Any]] = {}
        names: set[str] = set()
        for run, key, values in _values(seen, target, "pictures", "plain"):
            if len(values) == run.batch:
                parts.setdefault(key, []).append(values.reshape(run.batch, -1))
                names.update(run.images)
        if len(names) < 3:
            continue
        for key, rows in parts.items():
            if len({part.shape[1] for part in rows}) != 1 or not rows[0].size:
                continue
            yield Checked()
            dead = dead_share(numpy.concatenate(rows))
            if dead > MOST_DEAD:
                yield Fault(
                    where(target, "outputs", key or None),
                    f"{percent(dead)} of the values are the same for {len(names)} different pictures",
                    "values that tell pictures apart",
                    {"dead": percent(dead)},
                    replay=replay(target, "pictures", "plain"),
                )
    yield from _missed(context, "pictures", "plain")
    yield Skip("it was not run on three different pictures")


def dead_share(rows: np.ndarray[Any, Any]) -> float:
    """Share of the features that are the same, relative to their own size, for all pictures.

    Args:
        rows: results, float [picture, feature].
    """
    import numpy

    low, high = rows.min(axis=0), rows.max(axis=0)
    largest = numpy.maximum(numpy.abs(low), numpy.abs(high))
    return float(numpy.mean(high - low <= CHANGES * largest))


def percent(share: float) -> str:
    """A share as people read it: "34 %", "0.01 %", "all"."""
    if share == float("inf"):
        return "more than all"
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.0f} %"


def _pictures(run: Run, wrong: Any) -> dict[str, None]:
    """The kinds of the pictures whose rows are wrong."""
    if len(wrong) != run.batch:
        return {}
    bad = wrong.reshape(run.batch, -1).any(axis=1)
    return dict.fromkeys(name.partition("-")[0] for name, is_bad in zip(run.images, bad, strict=False) if is_bad)


def _distance(one: Any, other: Any) -> float:
    if other is None or one.shape != other.shape:
        return float("inf")
    return difference(one, other)
