"""The data path from the images to the outputs, as an outline by name scope that a person can read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from hubcheck.graph.dataflow.dependence import SHAPES_ONLY, Dependence
from hubcheck.graph.dataflow.frame import CallFrame, Value
from hubcheck.graph.dataflow.inlining import InlinedGraph
from hubcheck.graph.dataflow.shapes import Dims, shape
from hubcheck.graph.outline.scope_tree import Scope, Scopes, group, height, outputs_below, same_size

_OMITTED = frozenset({"Identity", "IdentityN", "StopGradient", "ReadVariableOp"})
"""Ops that are no step of their own."""
_MAX_SOURCES = 16
"""Steps that feed one step: a merge of merges could have any number."""

Spot = tuple[str | None, str]
"""A node: its function (None: the main graph) and its name."""

_MIN_FILL = 4
"""An outline with less than a quarter of the allowed lines says too little: it is opened once more and shortened."""
_MAX_OPS = 5
"""Ops that are named in a line; of more, the most common."""


class PathStep(NamedTuple):
    """A node that computes something from the images; `sources` are the numbers of the steps whose results it uses."""

    frame: CallFrame
    node: int
    sources: tuple[int, ...]


def _data_path(graph: InlinedGraph, dependence: Dependence, outputs: Iterable[Value]) -> list[PathStep]:
    """Return the steps from the images to the outputs; calls, identities and the like are seen through."""
    steps: list[PathStep] = []
    made: dict[Value, tuple[int, ...]] = {}
    entered: set[Value] = set()
    stack = [(value, False) for value in reversed(list(outputs))]
    while stack:
        value, visited = stack.pop()
        key, sources = _key(graph, value), [] if value[0].op(value[1]) in SHAPES_ONLY else graph.sources(value)
        if not visited:
            if key not in entered and dependence.images(value):
                entered.add(key)
                stack.append((value, True))
                stack += [(source, False) for source in reversed(sources)]
            continue
        # Edges that lead back in a loop are left out: their steps do not exist yet.
        numbers = dict.fromkeys(number for source in sources for number in made.get(_key(graph, source), ()))
        made[key] = tuple(numbers)[:_MAX_SOURCES]
        frame, node, _ = value
        if graph.originals(value) is None and frame.op(node) not in _OMITTED:
            steps.append(PathStep(frame, node, made[key]))
            made[key] = (len(steps) - 1,)
    return steps


def _key(graph: InlinedGraph, value: Value) -> Value:
    """Return one value for all outputs of a node that computes them together."""
    frame, node, _ = value
    return value if frame.op(node) in graph.copying_ops else (frame, node, 0)


class Line(NamedTuple):
    """One line: a scope or a node, indented by `depth`.

    `ops` counts its ops on the data path, `dims` is the shape of its last result, `marks` are the notes on it,
    `outputs` the keys of the outputs that it computes, `sources` the numbers of the lines whose results it uses. The
    content of an `opened` scope is in the lines below it.
    """

    depth: int
    name: str
    ops: Mapping[str, int]
    dims: Dims | None
    marks: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    sources: tuple[int, ...] = ()
    opened: bool = False

    @property
    def summary(self) -> str:
        """The ops as text: "Conv2D, BiasAdd, Relu x2"."""
        commonest = sorted(self.ops, key=lambda op: -self.ops[op])[:_MAX_OPS]
        named = [f"{op} x{self.ops[op]}" if self.ops[op] > 1 else op for op in self.ops if op in commonest]
        rest = len(self.ops) - len(named)
        return ", ".join(named) + (f" and {rest} other{'s' if rest > 1 else ''}" if rest else "")


_ScopeLine = tuple[Line, list[Scope]]
"""A line, and the scopes whose nodes it shows."""


def outline(
    graph: InlinedGraph,
    dependence: Dependence,
    outputs: Mapping[str, Value],
    *,
    marks: Mapping[Spot, Iterable[str]] | None = None,
    lines: int = 40,
) -> list[Line]:
    """Return the nodes between images and outputs, collapsed by scope.

    Scopes are opened down to the nodes with `marks` (notes), and level by level as long as there are no more than
    `lines` lines.
    """
    steps = _data_path(graph, dependence, outputs.values())
    scopes = Scopes()
    spots = [(step.frame.body.function, step.frame.body.names[step.node]) for step in steps]
    notes = [list((marks or {}).get(spot, ())) for spot in spots]
    nodes = [scopes.add(step.frame, step.node, noted) for step, noted in zip(steps, notes, strict=True)]
    scopes.add_up()
    for key, value in outputs.items():
        scopes.note_output(graph, key, value)
    top = scopes.top
    group(top)
    while len(top.below) == 1 and (only := next(iter(top.below.values()))).below:
        top = only  # a scope around everything is left out
    level = 1
    while len(rows := list(_rows(graph, top, 0, level))) < lines and level < height(top):
        level += 1
    if len(rows) > lines and level > 1:
        closed = list(_rows(graph, top, 0, level - 1))
        rows = closed if len(closed) * _MIN_FILL >= lines else rows
    return _connected(_shortened(rows, lines), steps, nodes)


def _shortened(rows: list[_ScopeLine], lines: int) -> list[_ScopeLine]:
    """Return the first and the last lines of an outline that is too long, and all lines with marks or outputs."""
    if len(rows) <= lines:
        return rows
    short = rows[: lines // 2]
    gap: list[_ScopeLine] = []
    for number, row in enumerate(rows[lines // 2 :], lines // 2):
        if number < len(rows) - lines // 2 and not row[0].marks and not row[0].outputs:
            gap.append(row)
            continue
        short += [*_folded(gap), row]
        gap = []
    return [*short, *_folded(gap)]


def _folded(gap: list[_ScopeLine]) -> list[_ScopeLine]:
    """Return one line for many that are left out."""
    if len(gap) < 2:
        return gap
    ops = sum((Counter(line.ops) for line, _ in gap if not line.opened), Counter[str]())
    folded = Line(gap[0][0].depth, f"... {len(gap):,} more", dict(ops), gap[-1][0].dims)
    return [(folded, [scope for _, scopes in gap for scope in scopes])]


def _connected(rows: list[_ScopeLine], steps: list[PathStep], nodes: list[Scope]) -> list[Line]:
    """Return the lines, each with the numbers of the lines whose results it uses."""
    for number, (line, scopes) in enumerate(rows):
        waiting = list(scopes)
        while waiting:
            scope = waiting.pop()
            scope.line = number
            waiting += () if line.opened else scope.below.values()
    sources: list[set[int]] = [set() for _ in rows]
    for step, scope in zip(steps, nodes, strict=True):
        for source in step.sources:
            if 0 <= nodes[source].line != scope.line >= 0:
                sources[scope.line].add(nodes[source].line)
    return [line._replace(sources=tuple(sorted(used))) for (line, _), used in zip(rows, sources, strict=True)]


def _rows(graph: InlinedGraph, scope: Scope, depth: int, level: int) -> Iterator[_ScopeLine]:
    for child in scope.below.values():
        name, shown = child.name, child
        while len(shown.below) == 1 and not shown.marks and not shown.outputs and same_size(shown):
            shown = next(iter(shown.below.values()))
            name = f"{name}/{shown.name}"
        opened = bool(shown.below) and (depth + 1 < level or shown.marked_below)
        line = Line(
            depth=depth,
            name=name,
            ops=dict(shown.ops),
            dims=shape(graph, shown.last) if shown.last is not None else None,
            marks=tuple(shown.marks),
            outputs=tuple(shown.outputs) if opened else tuple(outputs_below(shown)),
            opened=opened,
        )
        yield line, [shown]
        if opened:
            yield from _rows(graph, shown, depth + 1, level)
