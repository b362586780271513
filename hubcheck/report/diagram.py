"""Layout of a signature's data path as a diagram, in pixels; `templates/diagram.svg.j2` draws it.

One row for each step, from top to bottom. An arrow leads from a row to the next one if that takes its result; results
that skip rows, as in a residual block, go around on the left; outputs leave on the right.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from hubcheck.engine.details import SignatureDetails
from hubcheck.engine.findings import Finding
from hubcheck.report.diagram_rows import Row, diagram_rows

_ROW, _LINE, _OUTPUT, _GAP = 26, 17, 32, 14
"""Heights of a row, of a note in it, of an output beside it, and between rows."""
_LANE = 12
"""Width of a lane on the left."""
_CHARACTER = 7.3
"""Width of a character."""
_MAX_LANES = 8


class Diagram(NamedTuple):
    """A diagram.

    Attributes:
        width, height: of the whole.
        title, description: what it shows, for screen readers.
        rows: each with the y of its top edge and the height of its box.
        left, box_width: x of the boxes, and their width.
        columns: x of name, ops and shape in a box.
        arrows: SVG path data.
    """

    width: float
    height: float
    title: str
    description: str
    rows: Sequence[tuple[Row, float, int]]
    left: float
    box_width: float
    columns: Sequence[float]
    arrows: Sequence[str]


def diagram(signature: SignatureDetails, findings: Sequence[Finding]) -> Diagram:
    """Lay out one signature, or trace.

    Args:
        signature: the signature, with its steps.
        findings: the module's findings that count; other notes on a step are suppressed findings.
    """
    rows = list(diagram_rows(signature, findings))
    lanes = _lanes(rows)
    left = 10 + _LANE * (1 + max(lanes.values(), default=-1))
    columns = [32.0]
    for cells in zip(*(row.cells for row in rows), strict=True):
        columns.append(columns[-1] + _CHARACTER * max(map(len, cells)) + 15)
    indent = 2 * _CHARACTER * max(row.depth for row in rows)
    columns[1:] = [x + indent for x in columns[1:]]
    notes = [_CHARACTER * (len(text) + 2 * row.depth) for row in rows for text, _ in row.notes]
    box_width = max(columns.pop() - 3, 44 + max(notes, default=0))
    placed, top = [], 10.0
    for row in rows:
        height = _ROW + _LINE * len(row.notes)
        placed.append((row, top, height))
        top += max(height, _OUTPUT * len(row.outputs) - 6) + _GAP
    outputs = max((len(text) for row in rows for text, _ in row.outputs), default=0)
    arrows = []
    for target, row in enumerate(rows):
        for source in row.sources:
            _, begin, height = placed[source]
            end = placed[target][1]
            if _is_next(rows, source, target):
                x = left + 16
                arrows.append(f"M{x} {begin + height} V{end} m-4 -6 L{x} {end} l4 -6")
            else:
                x, end = left - 8 - _LANE * lanes[source], end + 8
                arrows.append(f"M{left} {begin + _ROW - 6} H{x} V{end} H{left} m-6 -4 L{left} {end} l-6 4")
    width = left + box_width + (50 + _CHARACTER * outputs if outputs else 10)
    return Diagram(width, top, _title(signature), _description(rows), placed, left, box_width, columns, arrows)


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


def _title(signature: SignatureDetails) -> str:
    sides = (signature.inputs, signature.outputs)
    first, last = (", ".join(key for key, _ in tensors[:6]) or "nothing" for tensors in sides)
    return f"{signature.label}: data path from {first} to {last}"


def _description(rows: Sequence[Row]) -> str:
    found = [f"{row.name}: {' '.join(text for text, _ in row.notes)}" for row in rows if row.notes]
    found += [f"{row.name} has findings" for row in rows if row.style in ("bad", "warn") and not row.notes]
    found += [f"{text} has findings" for row in rows for text, style in row.outputs if style]
    return f"{len(rows)} rows. {'; '.join(found) or 'No findings on the data path.'}"
