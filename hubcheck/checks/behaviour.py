"""Whether a module behaves in inference: repeatable, finite results, for each row alone, that differ between images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from hubcheck.checks.context import Context
from hubcheck.checks.corroboration import corroborating
from hubcheck.checks.faults import Checked, CheckItem
from hubcheck.checks.judged import interface_of_target
from hubcheck.checks.precision import tolerance
from hubcheck.checks.targets import called_in_inference, not_called_in_inference, target_fault, unanswered
from hubcheck.probe.observations import CONSTANT, Observations, ProbeTarget, Purpose, Run
from hubcheck.probe.tolerances import SAME_ANSWER, SAME_FEATURE, SAME_ROW
from hubcheck.util.numbers import difference, percent

if TYPE_CHECKING:
    import numpy as np

MAX_DEAD = 0.99
"""Features that never change are common; a warning is due only where hardly any other is left."""

_DIFFERENT: tuple[Purpose, ...] = ("pictures", *CONSTANT)
_FINITE: tuple[Purpose, ...] = (*_DIFFERENT, "three", "swapped", "alone", "many", "again")

_OTHER_LOAD = (
    "the result depends on what was asked before: a second load that was first asked for other images has another"
)
_FIX_LOAD = "Do not assign variables in inference; compute statistics before the export, and store them."

_NO_RESULTS = "there are no results to check"


@corroborating
def deterministic(context: Context, observations: Observations) -> Iterator[CheckItem]:
    """The same images have the same result when they are fed again, after others, in this load and in a second one."""
    for target in called_in_inference(context, observations):
        first = {key: values for _, key, values in _values(observations, target, "pictures")}
        for run, key, values in _values(observations, target, "again", "reloaded"):
            yield Checked()
            distance = _distance(values, first.get(key))
            if distance > SAME_ANSWER:
                in_second_load = run.purpose == "reloaded"
                yield target_fault(
                    context,
                    target,
                    ["pictures", "before", "reloaded"] if in_second_load else ["pictures", "again"],
                    f"results differ by {percent(distance)} of the largest value",
                    f"the same result, within {percent(SAME_ANSWER)}",
                    side="outputs",
                    key=key or None,
                    message=_OTHER_LOAD if in_second_load else "the same images give another result the second time",
                    varies=True,
                    fix=_FIX_LOAD if in_second_load else None,
                )
                break
    yield from not_called_in_inference(context, observations, "again", "reloaded")
    yield unanswered(context, observations, _NO_RESULTS)


def batch_independence(context: Context, observations: Observations) -> Iterator[CheckItem]:
    """A row has the same result alone, first of five, or last of two."""
    allowed = tolerance(context, SAME_ROW)
    for target in called_in_inference(context, observations):
        reference: dict[str, tuple[Run, Any]] = {}
        for run, key, values in _values(observations, target, "pictures"):
            if values.shape[:1] == (run.batch,):
                reference[key] = (run, values)
        for run, key, values in _values(observations, target, "swapped", "alone"):
            if key not in reference or values.shape[:1] != (run.batch,):
                continue
            yield Checked()
            whole, rows = reference[key]
            positions = [whole.images.index(name) for name in run.images]
            same_shape = values.shape[1:] == rows.shape[1:]
            distance = difference(values, rows[positions], beside=rows) if same_shape else float("inf")
            if distance > allowed:
                found = (
                    f"in a batch of {run.batch} a row differs by {percent(distance)} of the output's largest value"
                    f" from its result in a batch of {whole.batch}"
                )
                wanted = f"rows that differ by less than {percent(allowed)}"
                calls = ["pictures", run.purpose]
                yield target_fault(context, target, calls, found, wanted, side="outputs", key=key or None, varies=True)
                break
    yield from not_called_in_inference(context, observations, "pictures", "swapped", "alone")
    yield unanswered(context, observations, "it was not run at two batch sizes")


def finite(context: Context, observations: Observations) -> Iterator[CheckItem]:
    """No result is infinite or NaN, whatever the image."""
    import numpy

    for target in called_in_inference(context, observations):
        for run, key, values in _values(observations, target, *_FINITE):
            yield Checked()
            wrong = ~numpy.isfinite(values)
            if wrong.any():
                kind = "NaN" if numpy.isnan(values).any() else "infinite"
                yield target_fault(
                    context,
                    target,
                    [run.purpose],
                    f"{kind} in {int(wrong.sum())} of {values.size} values",
                    "finite numbers",
                    side="outputs",
                    key=key or None,
                    details={"pictures": ", ".join(_images(run, wrong)) or "some", "kind": kind},
                )
                break
    yield from not_called_in_inference(context, observations, "pictures", *CONSTANT)
    yield unanswered(context, observations, _NO_RESULTS)


def informative(context: Context, observations: Observations) -> Iterator[CheckItem]:
    """Different images have different results.

    Only what the module is judged on is checked: other targets are fed fewer images.
    """
    import numpy

    for target in called_in_inference(context, observations):
        if interface_of_target(context, target) is None:
            continue
        parts: dict[str, list[Any]] = {}
        names: set[str] = set()
        for run, key, values in _values(observations, target, *_DIFFERENT):
            if values.shape[:1] == (run.batch,):
                parts.setdefault(key, []).append(values.reshape(run.batch, -1))
                names.update(run.images)
        # A module that normalises each image has one result for all images without structure.
        if len(names) < 3 or names <= {*CONSTANT}:
            continue
        for key, rows in parts.items():
            if len({part.shape[1] for part in rows}) != 1 or not rows[0].size:
                continue
            yield Checked()
            dead = dead_share(numpy.concatenate(rows))
            if dead > MAX_DEAD:
                yield target_fault(
                    context,
                    target,
                    list(_DIFFERENT),
                    f"{percent(dead)} of the values are the same for {len(names)} different images",
                    "values that distinguish images",
                    side="outputs",
                    key=key or None,
                    details={"share": "all" if dead == 1 else f"more than {percent(MAX_DEAD)}"},
                    level=None if dead == 1 else "warning",
                    varies=True,
                )
    yield from not_called_in_inference(context, observations, *_DIFFERENT)
    yield unanswered(context, observations, "it was not run on three different images")


def dead_share(rows: np.ndarray[Any, Any]) -> float:
    """Return the share of the features that are the same, relative to their own size, for all images.

    What rounding makes of a feature near 0 is relative to the size of the others.

    Args:
        rows: results, float [image, feature].
    """
    import numpy

    low, high = rows.min(axis=0), rows.max(axis=0)
    largest = numpy.maximum(numpy.abs(low), numpy.abs(high))
    size = numpy.maximum(largest, numpy.median(largest))
    return float(numpy.mean(high - low <= SAME_FEATURE * size))


def _values(
    observations: Observations, target: ProbeTarget, *purposes: Purpose
) -> Iterator[tuple[Run, str, np.ndarray[Any, Any]]]:
    for run in observations.calls(target, *purposes):
        if run.failure is None:
            for key, output in run.outputs.items():
                if output.values is not None:
                    yield run, key, output.values


def _images(run: Run, wrong: np.ndarray[Any, Any]) -> dict[str, None]:
    """Return the kinds of the images whose rows are wrong."""
    if wrong.shape[:1] != (run.batch,):
        return {}
    rows = wrong.reshape(run.batch, -1)
    return dict.fromkeys(name.partition("-")[0] for name, row in zip(run.images, rows, strict=False) if row.any())


def _distance(one: Any, other: Any) -> float:
    if other is None or one.shape != other.shape:
        return float("inf")
    return difference(one, other)
