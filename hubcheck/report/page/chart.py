"""A histogram as a chart: bars and axes, in pixels; `templates/histogram.svg.j2` draws it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from hubcheck.engine.details import Histogram

WIDTH, HEIGHT = 320, 120
"""Size of the area of the bars."""
_MAX_TICKS = 5


class Chart(NamedTuple):
    """A chart.

    Attributes:
        bars: SVG path data of all bars.
        across: x and text of the ticks of the values.
        upward: y and text of the ticks of the counts.
        label: what it shows, for screen readers.
    """

    bars: str
    across: Sequence[tuple[float, str]]
    upward: Sequence[tuple[float, str]]
    label: str


def chart(histogram: Histogram) -> Chart:
    """Lay out a histogram."""
    counts, low, high = histogram.counts, histogram.low, histogram.high
    most, bar, span = max(*counts, 1), WIDTH / len(counts), (high - low) or 1.0
    bars = "".join(
        f"M{i * bar:.1f} {HEIGHT}v{-HEIGHT * count / most:.1f}h{bar - 1:.1f}V{HEIGHT}z"
        for i, count in enumerate(counts)
        if count
    )
    across = [((value - low) / span * WIDTH, f"{value:.3g}") for value in _ticks(low, high)]
    upward = [(HEIGHT * (1 - value / most), f"{value:,.0f}") for value in _ticks(0, most) if value == int(value)]
    label = f"values of {histogram.signature} on {histogram.device}, from {low:.3g} to {high:.3g}"
    return Chart(bars, across, upward, label)


def _ticks(low: float, high: float) -> Iterator[float]:
    """Yield up to five round numbers in a range; its ends if they are too close, or not finite."""
    span = high - low
    if not 0 < span < math.inf or span < 1e-6 * max(abs(low), abs(high)):
        yield from dict.fromkeys((low, high))
        return
    unit = 10.0 ** math.floor(math.log10(span))
    step = min((unit * n for n in (0.1, 0.2, 0.5, 1, 2) if span / (unit * n) < _MAX_TICKS), default=unit)
    for number in range(math.ceil(low / step), math.floor(high / step) + 1):
        yield number * step
