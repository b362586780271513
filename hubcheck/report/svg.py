"""Pictures of a report, as SVG: histograms, and what all pictures share."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from hubcheck.engine.details import Histogram

CHARACTER = 7.3
"""The width of a character, in pixels."""


def histogram(data: Histogram) -> str:
    """Bars of how often values came, between the smallest and the largest."""
    width, height, most = 320, 96, max(data.counts)
    step = width / len(data.counts)
    bars = [
        f'<rect class="bar" x="{10 + number * step:.1f}" y="{height - 6 - 80 * count / most:.1f}"'
        f' width="{step - 1:.1f}" height="{80 * count / most:.1f}"/>'
        for number, count in enumerate(data.counts)
    ]
    ends = [
        f'<text x="10" y="{height + 10}">{data.low:.3g}</text>',
        f'<text x="{width + 10}" y="{height + 10}" text-anchor="end">{data.high:.3g}</text>',
    ]
    title = f"values of {data.signature} on {data.device}, from {data.low:.3g} to {data.high:.3g}"
    return document(width + 20, height + 16, title, [*bars, *ends])


def document(
    width: float, height: float, title: str, parts: Sequence[str], *, name: str | None = None, description: str = ""
) -> str:
    """The SVG element. With a `name`, an id that nothing else on the page has, it has a description too."""
    size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
    if name is None:
        return f'<svg role="img" aria-label="{escape(title)}" {size}>{"".join(parts)}</svg>'
    told = f'<title id="{name}t">{escape(title)}</title><desc id="{name}d">{escape(description)}</desc>'
    label = f'role="img" aria-labelledby="{name}t" aria-describedby="{name}d"'
    return f"<svg {label} {size}>{told}{''.join(parts)}</svg>"
