"""Pictures of a report: from the images to the outputs, with the faults on the way, and histograms."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from hubcheck.findings import Finding
from hubcheck.results import Declared, Histogram

_CHARACTER, _ROW, _GAP = 7.3, 46, 40
_LONGEST = 44


def path(declared: Declared, findings: Sequence[Finding]) -> str:
    """One signature: its inputs, itself, its outputs; a finding of a node stands on the way to the output it spoils.

    Args:
        declared: the signature.
        findings: those of this signature.
    """
    inputs = [f"{key}  {text}" for key, text in declared.inputs]
    outputs = [f"{key}  {text}" for key, text in declared.outputs]
    nodes = {finding.where.key: finding for finding in findings if finding.where.node is not None}
    marked = {finding.where.key for finding in findings if finding.where.key is not None}
    names = [f"{f.rule}: {f.where.node.op} {f.where.node.name}" for f in nodes.values() if f.where.node is not None]
    columns = [_width(inputs), _width([declared.signature]), _width(names) if names else 0, _width(outputs)]
    lefts, left = [], 10.0
    for width in columns:
        lefts.append(left)
        left += width + (_GAP if width else 0)
    rows = max(len(inputs), len(outputs), 1)
    height, middle = rows * _ROW + 10, _top(0, 1, rows)
    parts = [_box(lefts[1], middle, columns[1], declared.signature, fault=False)]
    for number, (text, (key, _)) in enumerate(zip(inputs, declared.inputs, strict=True)):
        top = _top(number, len(inputs), rows)
        parts.append(_box(lefts[0], top, columns[0], text, fault=key in marked))
        parts.append(_edge(lefts[0] + columns[0], top + 15, lefts[1], middle + 15))
    for number, (text, (key, _)) in enumerate(zip(outputs, declared.outputs, strict=True)):
        top, begin, level = _top(number, len(outputs), rows), lefts[1] + columns[1], middle + 15
        if key in nodes:
            node = nodes[key].where.node
            assert node is not None
            parts.append(_edge(begin, level, lefts[2], top + 15))
            parts.append(_box(lefts[2], top, columns[2], f"{nodes[key].rule}: {node.op} {node.name}", fault=True))
            begin, level = lefts[2] + columns[2], top + 15
        parts.append(_edge(begin, level, lefts[3], top + 15))
        parts.append(_box(lefts[3], top, columns[3], text, fault=key in marked))
    title = f"{declared.signature}: from {', '.join(k for k, _ in declared.inputs)} to its outputs"
    title += f"; on the way: {'; '.join(names)}" if names else ""
    return _svg(left, height, title, parts)


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
    return _svg(width + 20, height + 16, title, [*bars, *ends])


def _svg(width: float, height: float, title: str, parts: Sequence[str]) -> str:
    size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
    return f'<svg role="img" aria-label="{escape(title)}" {size}>{"".join(parts)}</svg>'


def _top(number: int, count: int, rows: int) -> float:
    """The upper edge of one of `count` boxes in a column, where the longest column has `rows`."""
    return 10 + _ROW * (number + (rows - count) / 2)


def _width(texts: Sequence[str]) -> float:
    return 20 + _CHARACTER * max((len(_short(text)) for text in texts), default=0)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _box(left: float, top: float, width: float, text: str, *, fault: bool) -> str:
    kind, style = ("fault", "loud") if fault else ("box", "plain")
    label = f'<text class="{style}" x="{left + 10:.1f}" y="{top + 19:.1f}">{escape(_short(text))}</text>'
    return f'<rect class="{kind}" rx="5" x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="30"/>{label}'


def _edge(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<path class="edge" d="M{x1:.1f} {y1:.1f} L{x2:.1f} {y2:.1f}"/>'
