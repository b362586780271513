"""Whether the values of a classification in a run are logits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hubcheck.checks.context import Context
from hubcheck.checks.corroboration import corroborating
from hubcheck.checks.faults import Checked, CheckItem, Fault
from hubcheck.checks.judged import interface_of_target
from hubcheck.checks.logits import hides_activation
from hubcheck.checks.targets import called, not_called, place_of, replay_of, unanswered
from hubcheck.probe.observations import CONSTANT, Observations, ProbeTarget

_SUM = 1e-3
"""Probabilities add up to 1 up to rounding, which half precision makes large."""
_HIDDEN_SUM = 2e-2
"""The same where the graph does not show the precision."""


@corroborating
def not_probabilities(context: Context, observations: Observations, *, signature: str) -> Iterator[CheckItem]:
    """The scores of a classification are not those of a softmax, log-softmax or sigmoid, as far as values show it.

    A softmax makes rows within [0, 1] that add up to 1, a log-softmax rows whose exponentials do. Values within [0, 1]
    are a fault where the graph hides how they are computed; elsewhere it shows that there is no sigmoid.
    """
    hidden = False

    def is_classification(target: ProbeTarget) -> bool:
        interface = interface_of_target(context, target)
        return interface is not None and interface.contract.name == signature and not target.session

    for target in filter(is_classification, called(observations)):
        hides = hides_activation(context, target, signature)
        rows = _rows(observations, target)
        if rows is None:
            hidden = hidden or hides
            continue
        yield Checked()
        found = _found(rows, hides=hides)
        if found is not None:
            yield Fault(
                place_of(target, "outputs", "default" if target.trace is None else None),
                f"for all {len(rows)} images {found}",
                "logits",
                message="the outputs are not logits: {found}",
                replay=replay_of(target, ["pictures", *CONSTANT]),
                group="values",
            )
            return
    yield from not_called(observations, "pictures", *CONSTANT, of=is_classification)
    yield unanswered(context, observations, "no output of a classification was seen", incomplete=hidden)


def _rows(observations: Observations, target: ProbeTarget) -> Any | None:
    """Return the scores of all images in all runs, float64, [image, class]; None if there are none."""
    import numpy

    tables = [
        output.values
        for run in observations.calls(target)
        for key, output in run.outputs.items()
        if (key or "default") == "default"
        and output.values is not None
        and output.values.ndim == 2
        and output.values.size
    ]
    if len({table.shape[1] for table in tables}) != 1:
        return None
    return numpy.concatenate(tables).astype(numpy.float64)


def _found(rows: Any, *, hides: bool) -> str | None:
    """Return what the scores look like if they are no logits."""
    import numpy

    several = rows.shape[1] > 1
    # Rounding lifts probabilities above 1, but never below 0; a last layer that is all zero makes zeros.
    inside = bool((rows >= 0).all() and (rows <= 1 + _SUM).all() and rows.any())
    if several and inside and (numpy.abs(rows.sum(axis=1) - 1) <= _SUM).all():
        return "the values are in [0, 1] and sum to 1, as after a softmax"
    if inside and hides:
        return "the values are in [0, 1], as after a sigmoid, and the graph does not show how they are computed"
    with numpy.errstate(over="ignore"):
        total = numpy.exp(rows).sum(axis=1)
    if several and (numpy.abs(total - 1) <= (_HIDDEN_SUM if hides else _SUM)).all():
        return "the exponentials of the values sum to 1, as after a log-softmax"
    return None
