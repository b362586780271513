"""The way from the images to the outputs, as an outline by name scopes that a person can read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from hubcheck.graph.dataflow.dependence import Dependence
from hubcheck.graph.dataflow.frame import Value
from hubcheck.graph.dataflow.inlining import InlinedGraph
from hubcheck.graph.dataflow.shapes import Dims, shape
from hubcheck.graph.outline.data_path import Step, way
from hubcheck.graph.outline.scope_tree import Scope, Scopes, deepest, group, outputs_below, same_size

Spot = tuple[str | None, str]
"""A node as findings name it: its function (None: the main graph) and its name."""

_FEW = 4
"""An outline of fewer than one in so many of the allowed lines says too little: it is rather opened and shortened."""
_MOST_OPS = 5
"""Ops that are named in a line; of more, the commonest."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line: a scope or a node below it, `depth` steps in.

    `ops` counts the ops in it that the images pass through, `dims` is the shape of what comes out at its end,
    `marks` are the notes on it, `outputs` the keys of the outputs that are computed by it, `sources` the numbers of
    the lines whose results it takes. What is in an `opened` scope stands in the lines below it.
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
        commonest = sorted(self.ops, key=lambda op: -self.ops[op])[:_MOST_OPS]
        named = [f"{op} x{self.ops[op]}" if self.ops[op] > 1 else op for op in self.ops if op in commonest]
        rest = len(self.ops) - len(named)
        return ", ".join(named) + (f" and {rest} other{'s' if rest > 1 else ''}" if rest else "")


_Drawn = tuple[Line, list[Scope]]
"""A line, and the scopes whose nodes it stands for."""


def outline(
    graph: InlinedGraph,
    dependence: Dependence,
    outputs: Mapping[str, Value],
    *,
    marks: Mapping[Spot, Iterable[str]] | None = None,
    lines: int = 40,
) -> list[Line]:
    """The nodes between images and outputs, collapsed by scope.

    Args:
        graph: the graph.
        origins: what its values are made from.
        outputs: the outputs by key.
        marks: notes on nodes; scopes are opened down to these.
        lines: scopes are opened, level by level, as long as there are no more lines than this.
    """
    noted = {} if marks is None else marks
    steps = way(graph, dependence, outputs.values())
    scopes = Scopes()
    placed = [scopes.place(step.frame, step.node, _noted(noted, step)) for step in steps]
    scopes.add_up()
    for key, value in outputs.items():
        scopes.note_output(graph, key, value)
    top = scopes.top
    group(top)
    while len(top.below) == 1 and (only := next(iter(top.below.values()))).below:
        top = only  # a scope around everything says nothing
    level = 1
    while len(drawn := list(_drawn(graph, top, 0, level))) < lines and level < deepest(top):
        level += 1
    if len(drawn) > lines and level > 1:
        closed = list(_drawn(graph, top, 0, level - 1))
        drawn = closed if len(closed) * _FEW >= lines else drawn
    return _connected(_shortened(drawn, lines), steps, placed)


def _noted(marks: Mapping[Spot, Iterable[str]], step: Step) -> list[str]:
    return list(marks.get((step.frame.body.function, step.frame.body.names[step.node]), ()))


def _shortened(drawn: list[_Drawn], lines: int) -> list[_Drawn]:
    """The first and the last lines of an outline that is too long even so; marks and outputs stay in any case."""
    if len(drawn) <= lines:
        return drawn
    short = drawn[: lines // 2]
    stretch: list[_Drawn] = []
    for number, item in enumerate(drawn[lines // 2 :], lines // 2):
        if number < len(drawn) - lines // 2 and not item[0].marks and not item[0].outputs:
            stretch.append(item)
            continue
        short += [*_folded(stretch), item]
        stretch = []
    return [*short, *_folded(stretch)]


def _folded(stretch: list[_Drawn]) -> list[_Drawn]:
    if len(stretch) < 2:
        return stretch
    ops: Counter[str] = Counter()
    for line, _ in stretch:
        if not line.opened:
            ops.update(line.ops)
    gap = Line(stretch[0][0].depth, f"... {len(stretch):,} more", dict(ops), stretch[-1][0].dims)
    return [(gap, [scope for _, scopes in stretch for scope in scopes])]


def _connected(drawn: list[_Drawn], steps: list[Step], placed: list[Scope]) -> list[Line]:
    """The lines, each with the lines whose results it takes."""
    for number, (line, scopes) in enumerate(drawn):
        waiting = list(scopes)
        while waiting:
            scope = waiting.pop()
            scope.line = number
            waiting += () if line.opened else scope.below.values()
    sources: list[dict[int, None]] = [{} for _ in drawn]
    for step, scope in zip(steps, placed, strict=True):
        for source in step.sources:
            if 0 <= placed[source].line != scope.line >= 0:
                sources[scope.line].setdefault(placed[source].line)
    return [replace(line, sources=tuple(sorted(found))) for (line, _), found in zip(drawn, sources, strict=True)]


def _drawn(graph: InlinedGraph, scope: Scope, depth: int, level: int) -> Iterator[_Drawn]:
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
            yield from _drawn(graph, shown, depth + 1, level)
