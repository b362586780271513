"""The way from images to outputs as a graph: one row for each step, which `templates/graph.html.j2` draws.

An arrow leads from a row to the next one if that takes its result; results that skip rows, as in a residual block, go
around in lanes on the left.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from hubcheck.engine.details import SignatureDetails
from hubcheck.engine.findings import Finding
from hubcheck.report.page.graph_rows import Row, graph_rows
from hubcheck.util.text import listed

_MAX_LANES = 8


class LanePart(NamedTuple):
    """What a lane does at a row: its `kind` is a CSS class, `lane` the number of the lane, from the boxes outwards.

    leave: the result of the row enters the lane. pass: the lane goes by. take: the row takes the result, and the lane
    ends. tap: it takes the result, and the lane goes on.
    """

    kind: str
    lane: int


class GraphRow(NamedTuple):
    """A row with what leads to it: whether an arrow comes `from_above` or goes `through` it, and its lanes."""

    row: Row
    from_above: bool
    through: bool
    lanes: Sequence[LanePart]


class Graph(NamedTuple):
    """The graph of a signature, and of others that are equal to it.

    Attributes:
        names: the signatures, or traces, each with its variant if that is not the serving one.
        signature: the first of them.
        rows: from inputs to outputs.
        lanes: how many there are.
        label: what it shows, for screen readers.
    """

    names: Sequence[str]
    signature: SignatureDetails
    rows: Sequence[GraphRow]
    lanes: int
    label: str

    @property
    def steps(self) -> int:
        """How many rows are steps, not inputs."""
        return sum(row.row.style != "scope" for row in self.rows) - len(self.signature.inputs)

    @property
    def has_findings(self) -> bool:
        """Whether there are findings on it, suppressed ones too."""
        return any(row.row.notes or row.row.style in ("bad", "warn", "info") for row in self.rows) or any(
            style for row in self.rows for _, style in row.row.outputs
        )


def graphs(signatures: Sequence[SignatureDetails], findings: Sequence[Finding]) -> list[Graph]:
    """Return a graph for each signature; those that are equal, in all variants, share one.

    Args:
        signatures: the signatures and traces of a module, with their steps.
        findings: the module's findings that count; other notes on a step are suppressed findings.
    """
    found: list[tuple[list[str], SignatureDetails, list[Row]]] = []
    # A task's name says more than "default".
    for signature in sorted(signatures, key=lambda one: one.signature in (None, "default", "serving_default")):
        rows = list(graph_rows(signature, findings))
        tensors = signature.inputs, signature.outputs
        equal = (
            names
            for names, other, drawn in found
            if (other.inputs, other.outputs) == tensors
            and (drawn == rows or (other.variant == signature.variant and _bare(drawn) == _bare(rows)))
        )
        names = next(equal, None)
        if names is None:
            found.append((names := [], signature, rows))
        names.append(_name(signature))
    return [_graph(names, signature, rows) for names, signature, rows in found]


def _bare(rows: Sequence[Row]) -> list[Row]:
    """Return rows without what depends on the name of the signature: which input and output has a finding."""
    return [
        row._replace(style=row.style if row.notes else "", outputs=[(text, "") for text, _ in row.outputs])
        for row in rows
    ]


def _name(signature: SignatureDetails) -> str:
    variant = signature.variant
    return f"{signature.label} of variant {variant}" if variant not in ("", "serve") else signature.label


def _graph(names: Sequence[str], signature: SignatureDetails, rows: Sequence[Row]) -> Graph:
    lanes = _lanes(rows)
    parts: list[list[LanePart]] = [[] for _ in rows]
    for source, (lane, targets) in lanes.items():
        last = max(targets, default=source)
        parts[source].append(LanePart("leave", lane))
        for target in range(source + 1, last + 1):
            kind = ("take" if target == last else "tap") if target in targets else "pass"
            parts[target].append(LanePart(kind, lane))
    drawn = [GraphRow(row, *_arrows(rows, index), sorted(set(parts[index]))) for index, row in enumerate(rows)]
    sides = (signature.inputs, signature.outputs)
    inputs, outputs = (listed([key for key, _ in side], 6) or "nothing" for side in sides)
    label = f"{names[0]}: from {inputs} to {outputs}, {len(rows)} rows"
    return Graph(names, signature, drawn, 1 + max((lane for lane, _ in lanes.values()), default=-1), label)


def _arrows(rows: Sequence[Row], index: int) -> tuple[bool, bool]:
    """Return whether an arrow ends at a row from above, and whether one goes through it, as through a heading."""
    from_above = any(_is_next(rows, source, index) for source in rows[index].sources)
    if rows[index].style != "scope":
        return from_above, False
    target = next((n for n in range(index + 1, len(rows)) if rows[n].style != "scope"), None)
    return False, target is not None and any(s < index and _is_next(rows, s, target) for s in rows[target].sources)


def _lanes(rows: Sequence[Row]) -> dict[int, tuple[int, set[int]]]:
    """Return the lane of each row whose result skips rows, and the rows that take it from there.

    Lanes are side by side, as far as there is room.
    """
    targets: dict[int, set[int]] = {}
    for source, target in _skipping(rows):
        targets.setdefault(source, set()).add(target)
    lanes: dict[int, tuple[int, set[int]]] = {}
    taken_until: list[int] = []
    for source, taking in sorted(targets.items()):
        lane = next((n for n, end in enumerate(taken_until) if end < source), len(taken_until))
        lane = min(lane, _MAX_LANES - 1)
        taken_until[lane : lane + 1] = [max(taking)]
        lanes[source] = lane, taking
    return lanes


def _skipping(rows: Sequence[Row]) -> Iterator[tuple[int, int]]:
    """Yield source and target of each result that skips rows; one from below, in a loop, is not drawn."""
    for target, row in enumerate(rows):
        for source in row.sources:
            if source < target and not _is_next(rows, source, target):
                yield source, target


def _is_next(rows: Sequence[Row], source: int, target: int) -> bool:
    """Return whether there are only scope headings between two rows."""
    return source < target and all(row.style == "scope" for row in rows[source + 1 : target])
