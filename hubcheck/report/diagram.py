"""The way from the images to the outputs as a picture, with what was found on it.

One row for each step, from the top down. The next step takes the result of the one above it if an arrow says so;
what goes past some steps, as in a residual block, does so on the left; outputs leave on the right.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from hubcheck.engine.details import DiagramStep, SignatureDetails
from hubcheck.engine.findings import Finding
from hubcheck.report.svg import CHARACTER, document
from hubcheck.rulebook.levels import Level

_HEIGHT, _LINE, _GAP, _LANE, _INDENT, _SPINE = 26, 17, 14, 12, 16, 16
_LANES = 8
_COLUMNS = (36, 36, 22)
"""Characters of name, ops and shape that are shown; the rest of a long one is told by its tooltip."""
_MOST_OUTPUTS = 12
"""Outputs that are drawn at one step."""
_CLASSES: dict[Level | None, str] = {"error": "bad", "warning": "warn", "note": "info", None: "dim"}
_SET_ASIDE = "set aside: "


@dataclass(frozen=True, slots=True)
class _Row:
    """One row; `notes` and `outputs` are texts with the class of what was found, "" if nothing was.

    `kind` is the class of its box; the "head" of a scope has none, nor has what is "loose" from the way.
    """

    cells: tuple[str, str, str]
    depth: int = 0
    kind: str = "box"
    notes: tuple[tuple[str, str], ...] = ()
    outputs: tuple[tuple[str, str], ...] = ()
    sources: tuple[int, ...] = ()

    @property
    def height(self) -> int:
        return max(_HEIGHT + _LINE * len(self.notes), (_HEIGHT + 6) * len(self.outputs) - 6)


def diagram(declared: SignatureDetails, findings: Sequence[Finding], *, name: str) -> str:
    """One signature, or trace, as SVG.

    Args:
        declared: the signature, with its steps.
        findings: those of the module that count; what else is marked on a step has been set aside.
        name: an id for the picture, its own in the page.
    """
    rows = list(_rows(declared, findings))
    widths = [max((len(_short(row.cells[i], most)) for row in rows), default=0) for i, most in enumerate(_COLUMNS)]
    widths[0] += 2 * max(row.depth for row in rows)
    lanes = _lanes(rows)
    left = 10 + _LANE * (1 + max(lanes.values(), default=-1))
    notes = max((len(text) + 2 * row.depth for row in rows for text, _ in row.notes), default=0)
    width = 44 + max(CHARACTER * sum(widths) + 30, CHARACTER * notes)
    tops, top = [], 10.0
    for row in rows:
        tops.append(top)
        top += row.height + _GAP
    parts = [part for row, y in zip(rows, tops, strict=True) for part in _drawn(row, left, y, width, widths)]
    for target, row in enumerate(rows):
        for source in row.sources:
            parts.append(_arrow(rows, tops, source, target, left, lanes))
    aside = max((len(text) for row in rows for text, _ in row.outputs), default=0)
    whole = left + width + (50 + CHARACTER * aside if aside else 10)
    return document(whole, top, _title(declared), parts, name=name, description=_description(rows))


def _rows(declared: SignatureDetails, findings: Sequence[Finding]) -> Iterator[_Row]:
    levels = {finding.brief: finding.level for finding in findings}
    keys: dict[tuple[str | None, str | None], Level] = {}
    for finding in findings:
        where = finding.where
        if (where.signature, where.trace) == (declared.signature, declared.trace) and where.key is not None:
            alone = where.side == "outputs" and len(declared.outputs) == 1
            keys.setdefault((where.side, declared.outputs[0][0] if alone else where.key), finding.level)
    outputs = {key: (f"{key}  {text}", _class(keys, ("outputs", key))) for key, text in declared.outputs}
    for key, text in declared.inputs:
        yield _Row((key, text, ""), kind=_class(keys, ("inputs", key)) or "box")
    steps = declared.steps or (DiagramStep(0, declared.label, "", "", outputs=tuple(outputs)),)
    fed = [n for n, (key, _) in enumerate(declared.inputs) if key == "images" or len(declared.inputs) == 1]
    for step in steps:
        shown = [outputs.pop(key) for key in step.outputs if key in outputs]
        # The shape stands beside it already.
        shown = [(text.removesuffix(step.shape).rstrip(), level) for text, level in shown]
        yield _Row(
            cells=(step.name, step.ops if step.ops != step.name else "", step.shape),
            depth=step.depth,
            kind="head" if step.is_scope else _worst(step, levels),
            notes=tuple(_notes(step, levels, sum(_COLUMNS) - 2 * step.depth)),
            outputs=tuple(_few(shown)),
            sources=tuple(n + len(declared.inputs) for n in step.sources) or (() if step.is_scope else tuple(fed[:1])),
        )
    yield from _beside(declared, findings)
    if (more := outputs.pop("...", None)) is not None:
        yield _Row((more[0], "", ""), kind="loose")
    if outputs:
        yield _Row(("not made of the images", "", ""), kind="loose", outputs=tuple(_few(list(outputs.values()))))


def _beside(declared: SignatureDetails, findings: Sequence[Finding]) -> Iterator[_Row]:
    """What was found on nodes that the images do not pass, such as those that make a mask."""
    marked = {mark for step in declared.steps for mark in step.notes}
    for finding in findings:
        node, place = finding.where.node, (finding.where.signature, finding.where.trace)
        if node is not None and place == (declared.signature, declared.trace) and finding.brief not in marked:
            step, levels = DiagramStep(0, node.name, node.op, "", (finding.brief,)), {finding.brief: finding.level}
            notes = tuple(_notes(step, levels, sum(_COLUMNS)))
            yield _Row((step.name, step.ops, "(beside the way)"), kind=_worst(step, levels), notes=notes)


def _class(levels: Mapping[tuple[str | None, str | None], Level], place: tuple[str, str]) -> str:
    return _CLASSES[levels[place]] if place in levels else ""


def _worst(step: DiagramStep, levels: Mapping[str, Level]) -> str:
    classes = {_CLASSES[levels.get(mark)] for mark in step.notes}
    return next((name for name in _CLASSES.values() if name in classes), "box")


def _notes(step: DiagramStep, levels: Mapping[str, Level], width: int) -> Iterator[tuple[str, str]]:
    for mark in step.notes:
        level = levels.get(mark)
        text = f"! {mark}" if level is not None else f"{_SET_ASIDE}{mark}"
        for line in textwrap.wrap(text, width, max_lines=3, subsequent_indent="  "):
            yield line, _CLASSES[level]


def _few(outputs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    more = len(outputs) - _MOST_OUTPUTS
    shown = outputs if more <= 0 else [*outputs[:_MOST_OUTPUTS], (f"... {more} more", "")]
    return [(_short(text, sum(_COLUMNS) // 2), level) for text, level in shown]


def _lanes(rows: Sequence[_Row]) -> dict[int, int]:
    """How far to the left the results of rows go that are taken further on: side by side, as far as there is room."""
    last: dict[int, tuple[int, int]] = {}
    for target, row in enumerate(rows):
        for source in row.sources:
            if not _is_next(rows, source, target):
                first, end = last.get(source, (source, source))
                last[source] = min(first, target), max(end, target)
    lanes: dict[int, int] = {}
    until: list[int] = []
    for source, (first, end) in sorted(last.items(), key=lambda item: item[1]):
        lane = next((n for n, taken in enumerate(until) if taken < first), len(until))
        lane = min(lane, _LANES - 1)
        until[lane : lane + 1] = [end]
        lanes[source] = lane
    return lanes


def _is_next(rows: Sequence[_Row], source: int, target: int) -> bool:
    """Whether there is nothing but headings between two rows."""
    return source < target and all(row.kind == "head" for row in rows[source + 1 : target])


def _drawn(row: _Row, left: float, top: float, width: float, widths: Sequence[int]) -> Iterator[str]:
    cut = any(len(text) > most for text, most in zip(row.cells, _COLUMNS, strict=True))
    yield f"<g><title>{escape('  '.join(filter(None, row.cells)))}</title>" if cut else "<g>"
    height = _HEIGHT + _LINE * len(row.notes)
    if row.kind not in ("head", "loose"):
        yield f'<rect class="{row.kind}" rx="4" x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height}"/>'
    x = left + 32.0
    for number, (text, most) in enumerate(zip(row.cells, _COLUMNS, strict=True)):
        indent = _INDENT * row.depth if number == 0 else 0
        style = "name" if number == 0 else "quiet"
        if text:
            yield f'<text class="{style}" x="{x + indent:.1f}" y="{top + 17:.1f}">{escape(_short(text, most))}</text>'
        x += CHARACTER * widths[number] + 15
    for number, (text, level) in enumerate(row.notes):
        y = top + 17 + _LINE * (number + 1)
        yield f'<text class="{level}" x="{left + 32 + _INDENT * row.depth:.1f}" y="{y:.1f}">{escape(text)}</text>'
    for number, (text, level) in enumerate(row.outputs):
        y, right = top + (_HEIGHT + 6) * number, left + width
        box = f'x="{right + 30:.1f}" y="{y:.1f}" width="{CHARACTER * len(text) + 16:.1f}" height="{_HEIGHT}"'
        if row.kind != "loose":
            yield f'<path class="edge" d="M{right:.1f} {top + 13:.1f} L{right + 30:.1f} {y + 13:.1f}"/>'
        yield f'<rect class="{level or "box"}" rx="12" {box}/>'
        yield f'<text class="{level}" x="{right + 38:.1f}" y="{y + 17:.1f}">{escape(text)}</text>'
    yield "</g>"


def _arrow(
    rows: Sequence[_Row], tops: Sequence[float], source: int, target: int, left: float, lanes: Mapping[int, int]
) -> str:
    if _is_next(rows, source, target):
        begin = tops[source] + _HEIGHT + _LINE * len(rows[source].notes)
        x = left + _SPINE
        return _headed(f"M{x:.1f} {begin:.1f} V{tops[target]:.1f}", x, tops[target], "down")
    x = left - 8 - _LANE * lanes[source]
    begin, end = tops[source] + _HEIGHT - 6, tops[target] + 8
    return _headed(f"M{left:.1f} {begin:.1f} H{x:.1f} V{end:.1f} H{left:.1f}", left, end, "right")


def _headed(line: str, x: float, y: float, way: str) -> str:
    sides = ((-4, -6), (4, -6)) if way == "down" else ((-6, -4), (-6, 4))
    (ax, ay), (bx, by) = sides
    return f'<path class="edge" d="{line} m{ax} {ay} L{x:.1f} {y:.1f} l{bx} {by}"/>'


def _title(declared: SignatureDetails) -> str:
    name = declared.signature or f"__call__ ({declared.trace})"
    ends = [", ".join(key for key, _ in tensors[:6]) or "nothing" for tensors in (declared.inputs, declared.outputs)]
    return f"{name}: the way from {ends[0]} to {ends[1]}"


def _description(rows: Sequence[_Row]) -> str:
    found = [f"{row.cells[0]}: {' '.join(text for text, _ in row.notes)}" for row in rows if row.notes]
    found += [f"{row.cells[0]}: something was found" for row in rows if row.kind in ("bad", "warn") and not row.notes]
    found += [f"{text}: something was found" for row in rows for text, level in row.outputs if level]
    return f"{len(rows)} rows. " + ("Nothing was found on the way." if not found else "; ".join(found))


def _short(text: str, most: int) -> str:
    """A long text without most of its middle: names of nodes differ at the end."""
    return text if len(text) <= most else f"{text[: most // 3]}...{text[len(text) - (most - most // 3 - 3) :]}"
