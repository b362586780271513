"""No dropout on the outputs: the half that is seen in runs, by statistics over repeated calls."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from hubcheck.checks.behaviour import percent
from hubcheck.checks.context import Context
from hubcheck.checks.dropout import no_dropout
from hubcheck.checks.faults import Checked, CheckItem, Corroboration, Fault, Skip, Where
from hubcheck.checks.runs import missed, once, replay, where
from hubcheck.probe.observations import Observations, ProbeTarget, Run

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

SAME_VALUE = 1e-4
"""What a mask lets pass is one value, up to the order in which threads add up."""


def dropout_seen(context: Context) -> Iterator[CheckItem]:
    """Confirms what the graph tells, and tells what the graph does not: outputs whose entries come and go."""
    seen: Observations = context.observations
    known = [item for item in no_dropout(context) if isinstance(item, Fault)]
    shares = list(_shares(seen))
    if not known:
        yield from _faults(context)
        return
    for fault in known:
        share = max((share for target, key, share in shares if _same(fault.where, target, key)), default=None)
        if share is None:
            continue
        shown = share >= MASKED
        text = f"confirmed: {percent(share)} of the values come and go" if shown else "not observable in runs"
        yield Corroboration(fault.where, text)


@once
def _faults(context: Context) -> Iterator[CheckItem]:
    seen: Observations = context.observations
    for target, key, share in _shares(seen):
        yield Checked()
        if share >= MASKED:
            found = f"{percent(share)} of the values are now 0, now one other value, for the same images"
            message = "dropout is applied to the output: {found}"
            yield Fault(
                where(target, "outputs", key or None),
                found,
                "no dropout on outputs",
                message=message,
                replay=replay(target, "repeated"),
            )
    yield from missed(context, "repeated")
    yield Skip("nothing of it runs in training mode")


def _shares(seen: Observations) -> Iterator[tuple[ProbeTarget, str, float]]:
    """For every output that was asked for often enough: the share of its entries that behave as if masked."""
    import numpy

    runs: dict[tuple[ProbeTarget, str], list[Any]] = {}
    for run in seen.runs:
        if run.purpose == "repeated" and run.device == seen.device and run.failure is None:
            for key, values in _values(run):
                runs.setdefault((run.target, key), []).append(values)
    for (target, key), found in runs.items():
        if len(found) >= FEWEST_RUNS and len({values.shape for values in found}) == 1:
            yield target, key, masked_share(numpy.stack(found))


def _values(run: Run) -> Iterator[tuple[str, Any]]:
    for key, output in run.outputs.items():
        if output.values is not None and output.values.dtype.kind == "f":
            yield key, output.values


def masked_share(runs: np.ndarray[Any, Any]) -> float:
    """Share of output entries that behave as if a dropout mask were on them.

    A masked entry is exactly 0 in some runs and one other value in the rest. Noise that enters before the last
    layer gives an entry many values, and a last ReLU gives zeros among them; an entry that is other than 0 once
    only says nothing, for it cannot but have one value.

    Args:
        runs: results for one input, float [run, ...], at least 8 runs.

    Returns:
        A part of the entries that are not 0 in every run, in [0, 1]; a lower bound, since a mask can repeat by
        chance. 0 where there are too few such entries to tell, or where others change in another way.

    Raises:
        ValueError: fewer than 8 runs.

    Source:
        Common Signatures for Images, "Image Feature Vector": no dropout on the actual outputs.
    """
    import numpy

    if len(runs) < 8:
        raise ValueError(f"{len(runs)} runs are too few to tell a mask from chance")
    entries = numpy.asarray(runs, numpy.float64).reshape(len(runs), -1)
    zero = entries == 0
    alive = ~zero.all(axis=0)
    if alive.sum() < FEWEST_ENTRIES or _is_code(entries[~zero]):
        return 0.0
    entries, zero = entries[:, alive], zero[:, alive]
    low = numpy.where(zero, numpy.inf, entries).min(axis=0)
    high = numpy.where(zero, -numpy.inf, entries).max(axis=0)
    with numpy.errstate(invalid="ignore"):  # infinities are another rule's business
        one_value = high - low <= SAME_VALUE * numpy.maximum(numpy.abs(low), numpy.abs(high))
    often = (~zero).sum(axis=0) >= 2
    comes_and_goes = zero.any(axis=0)
    masked = comes_and_goes & often & one_value
    changing = often & (comes_and_goes | ~one_value)
    return float(numpy.mean(masked)) if masked.sum() >= OF_THE_CHANGING * changing.sum() else 0.0


def _is_code(values: np.ndarray[Any, Any]) -> bool:
    """Whether there is but one value beside 0: of a threshold or a choice, in front of which a dropout may stand."""
    low, high = float(values.min()), float(values.max())
    return high - low <= SAME_VALUE * max(abs(low), abs(high))


def _same(place: Where, target: ProbeTarget, key: str) -> bool:
    """Whether a finding of the graph and a target of the runs are the same output."""
    if place.trace is not None or target.trace is not None:
        return place.trace == target.trace
    return (place.variant, place.signature) == (target.variant, target.signature) and place.key in (key, None)
