"""No dropout on the outputs, as seen in runs: statistics over repeated calls in training mode."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from hubcheck.checks.context import Context
from hubcheck.checks.faults import Checked, CheckItem, Corroboration, Skip, Where
from hubcheck.checks.targets import not_called, target_fault
from hubcheck.probe.observations import Observations, ProbeTarget
from hubcheck.probe.tolerances import MASKED_VALUE
from hubcheck.util.numbers import percent

if TYPE_CHECKING:
    import numpy as np

FEWEST_RUNS = 24
MASKED = 0.25
"""From this share of the entries on, zeros come from a mask and not from chance."""

OF_THE_CHANGING = 0.9
"""A mask on the outputs is on everything that changes. Where a dropped branch is added to features, those that are 0
look masked, but the others take two values of which none is 0."""

FEWEST_ENTRIES = 8
"""With fewer entries that are ever other than 0, a coincidence looks like a mask."""


def dropout_seen(context: Context, observations: Observations) -> Iterator[CheckItem]:
    """Corroborate the masks that the graph shows, or else report outputs whose values drop to 0 between calls."""
    shares = _masked_shares(observations)
    if context.found_in_files:
        yield from _corroborations(context.found_in_files, list(shares))
        return
    for target, key, share in shares:
        yield Checked()
        if share >= MASKED:
            found = f"{percent(share)} of the values are 0 or one other value from call to call, for the same images"
            yield target_fault(
                context,
                target,
                ["repeated"],
                found,
                "no dropout on outputs",
                side="outputs",
                key=key or None,
                message="dropout is applied to the output: values drop to 0 from call to call, for the same images",
                varies=True,
            )
    yield from not_called(observations, "repeated")
    yield Skip("nothing in it has other results from call to call in training mode")


def _corroborations(places: tuple[Where, ...], shares: list[tuple[ProbeTarget, str, float]]) -> Iterator[Corroboration]:
    for where in places:
        share = max((share for target, key, share in shares if _is_at(target, key, where)), default=None)
        if share is not None:
            confirmed = "confirmed by a run: values drop to 0 between calls"
            yield Corroboration(where, confirmed if share >= MASKED else "not observable in runs")


def _is_at(target: ProbeTarget, key: str, where: Where) -> bool:
    """Return whether an output of a target is the output at the place of a finding."""
    if where.trace is not None or target.trace is not None:
        return where.trace == target.trace
    return (where.variant, where.signature) == (target.variant, target.signature) and where.key in (key, None)


def _masked_shares(observations: Observations) -> Iterator[tuple[ProbeTarget, str, float]]:
    """Yield, for every output that was computed often enough, the share of its entries that behave as if masked."""
    import numpy

    results: dict[tuple[ProbeTarget, str], list[Any]] = {}
    for run in observations.runs:
        if run.purpose == "repeated" and run.device == observations.device and run.failure is None:
            for key, output in run.outputs.items():
                if output.values is not None and output.values.dtype.kind == "f":
                    results.setdefault((run.target, key), []).append(output.values)
    for (target, key), arrays in results.items():
        if len(arrays) >= FEWEST_RUNS and len({values.shape for values in arrays}) == 1:
            yield target, key, masked_share(numpy.stack(arrays))


def masked_share(runs: np.ndarray[Any, Any]) -> float:
    """Return the share of output entries that behave as if a dropout mask were applied to them.

    A masked entry is exactly 0 in some runs and one other value in the rest. With noise before the last layer an
    entry has many values, with zeros among them after a ReLU. An entry that is other than 0 only once shows nothing,
    since one value is always the same.

    Args:
        runs: results for one input, float [run, ...], at least 8 runs.

    Returns:
        A share of the entries that are not 0 in every run, in [0, 1]; a lower bound, since a mask can repeat by
        chance. 0 if there are too few such entries, or if other entries change in another way.

    Raises:
        ValueError: fewer than 8 runs.

    Source:
        Common Signatures for Images, "Image Feature Vector": no dropout on the actual outputs.
    """
    import numpy

    if len(runs) < 8:
        raise ValueError(f"{len(runs)} runs are too few to distinguish a mask from chance")
    entries = numpy.asarray(runs, numpy.float64).reshape(len(runs), -1)
    zero = entries == 0
    alive = ~zero.all(axis=0)
    if alive.sum() < FEWEST_ENTRIES or _is_code(entries[~zero]):
        return 0.0
    entries, zero = entries[:, alive], zero[:, alive]
    low = numpy.where(zero, numpy.inf, entries).min(axis=0)
    high = numpy.where(zero, -numpy.inf, entries).max(axis=0)
    with numpy.errstate(invalid="ignore"):  # infinities are another rule's business
        one_value = high - low <= MASKED_VALUE * numpy.maximum(numpy.abs(low), numpy.abs(high))
    often = (~zero).sum(axis=0) >= 2
    comes_and_goes = zero.any(axis=0)
    masked = comes_and_goes & often & one_value
    changing = often & (comes_and_goes | ~one_value)
    return float(numpy.mean(masked)) if masked.sum() >= OF_THE_CHANGING * changing.sum() else 0.0


def _is_code(values: np.ndarray[Any, Any]) -> bool:
    """Return whether there is one value beside 0: that of a threshold or a choice, which may follow a dropout."""
    low, high = float(values.min()), float(values.max())
    return high - low <= MASKED_VALUE * max(abs(low), abs(high))
