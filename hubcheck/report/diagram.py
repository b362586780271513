"""Layout of a signature's data path as a diagram, in pixels; `templates/diagram.svg.j2` draws it.

One row for each step, from top to bottom. An arrow leads from a row to the next one if that takes its result; results
that skip rows, as in a residual block, go around on the left; outputs leave on the right.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from hubcheck.engine.details import SignatureDetails
from hubcheck.engine.findings import Finding
from hubcheck.report.diagram_rows import COLUMNS, Row, diagram_rows, shortened

_ROW, _LINE, _GAP = 26, 17, 14
"""Heights of a row, of a note in it, and between rows."""
_OUTPUT = _ROW + 6
_LANE, _INDENT = 12, 16
"""Widths of a lane on the left, and of the indent of a name scope."""
_TEXT_X, _TEXT_Y, _ARROW_X = 32, 17, 16
"""Text and arrows in a row, from its top left corner."""
_CHARACTER = 7.3
"""Width of a character."""
_MAX_LANES = 8


class Box(NamedTuple):
    """A rectangle with round corners; `style` is its CSS class."""

    style: str
    x: float
    y: float
    width: float
    height: float
    radius: int = 4


class Label(NamedTuple):
    """A line of text; `style` is its CSS class."""

    style: str
    x: float
    y: float
    text: str


class Group(NamedTuple):
    """The shapes of one row. `tooltip` has its full text, "" where nothing is shortened."""

    tooltip: str
    boxes: Sequence[Box]
    labels: Sequence[Label]
    edges: Sequence[str]


class Diagram(NamedTuple):
    """A diagram; `edges` are SVG path data, `title` and `description` say what it shows to those who cannot see it."""

    width: float
    height: float
    title: str
    description: str
    groups: Sequence[Group]
    edges: Sequence[str]


class _Frame(NamedTuple):
    """What all rows have in common: where boxes begin, how wide they are, the widths of columns in characters."""

    left: float
    width: float
    columns: Sequence[int]


def diagram(signature: SignatureDetails, findings: Sequence[Finding]) -> Diagram:
    """Lay out one signature, or trace.

    Args:
        signature: the signature, with its steps.
        findings: the module's findings that count; other notes on a step are suppressed findings.
    """
    rows = list(diagram_rows(signature, findings))
    columns = [max((len(shortened(row.cells[i], n)) for row in rows), default=0) for i, n in enumerate(COLUMNS)]
    columns[0] += 2 * max(row.depth for row in rows)
    notes = max((len(text) + 2 * row.depth for row in rows for text, _ in row.notes), default=0)
    lanes = _lanes(rows)
    left = 10 + _LANE * (1 + max(lanes.values(), default=-1))
    frame = _Frame(left, 44 + max(_CHARACTER * sum(columns) + 30, _CHARACTER * notes), columns)
    tops, height = [], 10.0
    for row in rows:
        tops.append(height)
        height += max(_box_height(row), _OUTPUT * len(row.outputs) - 6) + _GAP
    outputs = max((len(text) for row in rows for text, _ in row.outputs), default=0)
    return Diagram(
        width=left + frame.width + (50 + _CHARACTER * outputs if outputs else 10),
        height=height,
        title=_title(signature),
        description=_description(rows),
        groups=[_group(row, top, frame) for row, top in zip(rows, tops, strict=True)],
        edges=[
            _arrow(rows, tops, source, target, left, lanes) for target, row in enumerate(rows) for source in row.sources
        ],
    )


def _box_height(row: Row) -> int:
    return _ROW + _LINE * len(row.notes)


def _lanes(rows: Sequence[Row]) -> dict[int, int]:
    """Return the lane of each row whose result skips rows: side by side, as far as there is room."""
    spans: dict[int, tuple[int, int]] = {}
    for target, row in enumerate(rows):
        for source in row.sources:
            if not _is_next(rows, source, target):
                first, last = spans.get(source, (source, source))
                spans[source] = min(first, target), max(last, target)
    lanes: dict[int, int] = {}
    taken_until: list[int] = []
    for source, (first, last) in sorted(spans.items(), key=lambda item: item[1]):
        lane = next((n for n, end in enumerate(taken_until) if end < first), len(taken_until))
        lane = min(lane, _MAX_LANES - 1)
        taken_until[lane : lane + 1] = [last]
        lanes[source] = lane
    return lanes


def _is_next(rows: Sequence[Row], source: int, target: int) -> bool:
    """Return whether there are only scope headings between two rows."""
    return source < target and all(row.style == "scope" for row in rows[source + 1 : target])


def _group(row: Row, top: float, frame: _Frame) -> Group:
    is_cut = any(len(text) > longest for text, longest in zip(row.cells, COLUMNS, strict=True))
    boxes, labels, edges = [], list(_labels(row, top, frame)), []
    if row.style not in ("scope", "unconnected"):
        boxes.append(Box(row.style, frame.left, top, frame.width, _box_height(row)))
    right = frame.left + frame.width
    for number, (text, style) in enumerate(row.outputs):
        y = top + _OUTPUT * number
        if row.style != "unconnected":
            edges.append(f"M{right:.1f} {top + 13:.1f} L{right + 30:.1f} {y + 13:.1f}")
        boxes.append(Box(style or "box", right + 30, y, _CHARACTER * len(text) + 16, _ROW, radius=12))
        labels.append(Label(style, right + 38, y + _TEXT_Y, text))
    return Group("  ".join(filter(None, row.cells)) if is_cut else "", boxes, labels, edges)


def _labels(row: Row, top: float, frame: _Frame) -> Iterator[Label]:
    x = frame.left + _TEXT_X
    indent, column = _INDENT * row.depth, x
    for number, (text, longest) in enumerate(zip(row.cells, COLUMNS, strict=True)):
        style, shift = ("quiet", 0) if number else ("name", indent)
        if text:
            yield Label(style, column + shift, top + _TEXT_Y, shortened(text, longest))
        column += _CHARACTER * frame.columns[number] + 15
    for number, (text, style) in enumerate(row.notes, 1):
        yield Label(style, x + indent, top + _TEXT_Y + _LINE * number, text)


def _arrow(
    rows: Sequence[Row], tops: Sequence[float], source: int, target: int, left: float, lanes: Mapping[int, int]
) -> str:
    if _is_next(rows, source, target):
        x, end = left + _ARROW_X, tops[target]
        line, head = f"M{x:.1f} {tops[source] + _box_height(rows[source]):.1f} V{end:.1f}", ("-4 -6", "4 -6")
    else:
        x, end, lane = left, tops[target] + 8, left - 8 - _LANE * lanes[source]
        line = f"M{x:.1f} {tops[source] + _ROW - 6:.1f} H{lane:.1f} V{end:.1f} H{x:.1f}"
        head = ("-6 -4", "-6 4")
    return f"{line} m{head[0]} L{x:.1f} {end:.1f} l{head[1]}"


def _title(signature: SignatureDetails) -> str:
    sides = (signature.inputs, signature.outputs)
    first, last = (", ".join(key for key, _ in tensors[:6]) or "nothing" for tensors in sides)
    return f"{signature.label}: data path from {first} to {last}"


def _description(rows: Sequence[Row]) -> str:
    found = [f"{row.cells[0]}: {' '.join(text for text, _ in row.notes)}" for row in rows if row.notes]
    found += [f"{row.cells[0]} has findings" for row in rows if row.style in ("bad", "warn") and not row.notes]
    found += [f"{text} has findings" for row in rows for text, style in row.outputs if style]
    return f"{len(rows)} rows. {'; '.join(found) or 'No findings on the data path.'}"
