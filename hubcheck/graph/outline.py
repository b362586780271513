"""The way from the images to the outputs, as an outline by name scopes that a person can read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from hubcheck.graph.meeting import resolved
from hubcheck.graph.origins import SHAPES_ONLY, Origins
from hubcheck.graph.shapes import Dims, shape
from hubcheck.graph.unfold import Frame, Unfolded, Value

Spot = tuple[str | None, str]
"""A node as findings name it: its function (None: the main graph) and its name."""

_CALLS = re.compile(r"(Stateful)?PartitionedCall(_\d+)?$")
_BLOCK = re.compile(r"\D+\d+[a-z]?(?=_)")
_FEW = 4
"""An outline of fewer than one in so many of the allowed lines says too little: it is rather opened and shortened."""
_MANY = 12
"""Siblings beyond which blocks of them are put together."""
_DEEPEST = 40
"""Scopes within scopes; deeper ones are told in one."""
_SILENT = frozenset({"Identity", "IdentityN", "StopGradient", "ReadVariableOp"})
"""Ops that are no step on the way."""
_MOST_OPS = 5
"""Ops that are named in a line; of more, the commonest."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line: a scope or a node below it, `depth` steps in.

    `ops` counts the ops in it that the images pass through, `dims` is the shape of what comes out at its end,
    `marks` are the notes on it, `outputs` the keys of the outputs that are computed by it.
    """

    depth: int
    name: str
    ops: Mapping[str, int]
    dims: Dims | None
    marks: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """The ops as text: "Conv2D, BiasAdd, Relu x2"."""
        commonest = sorted(self.ops, key=lambda op: -self.ops[op])[:_MOST_OPS]
        named = [f"{op} x{self.ops[op]}" if self.ops[op] > 1 else op for op in self.ops if op in commonest]
        rest = len(self.ops) - len(named)
        return ", ".join(named) + (f" and {rest} other{'s' if rest > 1 else ''}" if rest else "")


@dataclass(slots=True)
class _Scope:
    """A name scope: what is below it, in the order of the data."""

    name: str
    below: dict[str, _Scope] = field(default_factory=dict)
    ops: Counter[str] = field(default_factory=Counter)
    last: Value | None = None
    marks: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    marked_below: bool = False


def outline(
    graph: Unfolded,
    origins: Origins,
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
    top = _Scope("")
    for frame, node in _path(graph, origins, outputs.values()):
        _place(top, frame, node, list(noted.get((frame.body.function, frame.body.names[node]), ())))
    for key, value in outputs.items():
        _note_output(graph, top, key, value)
    _group(top)
    while len(top.below) == 1 and (only := next(iter(top.below.values()))).below:
        top = only  # a scope around everything says nothing
    level = 1
    while len(drawn := list(_drawn(graph, top, 0, level))) < lines and level < _deepest(top):
        level += 1
    if len(drawn) > lines and level > 1:
        closed = list(_drawn(graph, top, 0, level - 1))
        drawn = closed if len(closed) * _FEW >= lines else drawn
    return _shortened(drawn, lines)


def _shortened(drawn: list[Line], lines: int) -> list[Line]:
    """The first and the last lines of an outline that is too long even so; marks and outputs stay in any case."""
    left_out = [line for line in drawn[lines // 2 : -lines // 2] if not line.marks and not line.outputs]
    if len(drawn) <= lines or not left_out:
        return drawn
    ops: Counter[str] = Counter()
    for line in left_out:
        ops.update(line.ops)
    gap = Line(left_out[0].depth, f"... {len(left_out):,} more", dict(ops), left_out[-1].dims)
    gone = set(map(id, left_out))
    return [gap if line is left_out[0] else line for line in drawn if line is left_out[0] or id(line) not in gone]


def _path(graph: Unfolded, origins: Origins, outputs: Iterable[Value]) -> Iterator[tuple[Frame, int]]:
    """The nodes that compute something of the images for the outputs, each after those that feed it."""
    done: set[Value] = set()
    for output in outputs:
        work: list[tuple[Value, Iterator[Value]]] = []
        _open(graph, origins, output, done, work)
        while work:
            value, sources = work[-1]
            source = next(sources, None)
            if source is not None:
                _open(graph, origins, source, done, work)
                continue
            work.pop()
            if graph.passes(value) is None and value[0].op(value[1]) not in _SILENT:
                yield value[0], value[1]


def _open(
    graph: Unfolded, origins: Origins, value: Value, done: set[Value], work: list[tuple[Value, Iterator[Value]]]
) -> None:
    frame, node, number = value
    op = frame.op(node)
    place = value if op in graph.special else (frame, node, 0)
    if place in done or not origins.images(value):
        return
    done.add(place)
    passed = graph.passes(value)
    inputs = graph.inputs(frame, node) if passed is None else passed
    work.append(((frame, node, number), iter(() if op in SHAPES_ONLY else inputs)))


def _place(top: _Scope, frame: Frame, node: int, marks: list[str]) -> None:
    scopes = [top]
    for part in scope_path(frame, node):
        scopes.append(scopes[-1].below.setdefault(part, _Scope(part)))
    for scope in scopes:
        scope.ops[frame.op(node)] += 1
        scope.last = (frame, node, 0)
        scope.marked_below = scope.marked_below or bool(marks)
    scopes[-1].marks += marks


def scope_path(frame: Frame, node: int) -> list[str]:
    """The scopes around a node and its own name; of a node in a function, those of the call first."""
    parts: list[str] = []
    found: Frame | None = frame
    while found is not None:
        names = found.body.names[node].split("/")
        parts = [part for part in names if not _CALLS.match(part)] + parts
        node, found = found.site, found.caller
    if len(parts) > _DEEPEST:
        parts[_DEEPEST - 1 :] = ["/".join(parts[_DEEPEST - 1 :])]
    return parts or ["call"]


def _note_output(graph: Unfolded, top: _Scope, key: str, value: Value) -> None:
    """Write the key at the node that computes an output."""
    value = resolved(graph, value)
    scope = top
    for part in scope_path(value[0], value[1]):
        if part not in scope.below:
            break
        scope = scope.below[part]
    if scope is not top:
        scope.outputs.append(key)
        scope.last = value


def _group(scope: _Scope) -> None:
    """Put neighbours of one block, as in block_1_expand and block_1_project, in a scope of their own."""
    waiting = [scope]
    while waiting:
        scope = waiting.pop()
        waiting += scope.below.values()
        if len(scope.below) <= _MANY:
            continue
        runs: list[tuple[str, list[_Scope]]] = []
        for child in scope.below.values():
            match = _BLOCK.match(child.name)
            block = match[0] if match is not None else child.name
            if not runs or runs[-1][0] != block:
                runs.append((block, []))
            runs[-1][1].append(child)
        scope.below = {}
        for number, (block, children) in enumerate(runs):
            scope.below[f"{number}"] = children[0] if len(children) == 1 else _joined(f"{block}_*", children)


def _joined(name: str, children: list[_Scope]) -> _Scope:
    joined = _Scope(name, {child.name: child for child in children}, last=children[-1].last)
    for child in children:
        joined.ops.update(child.ops)
        joined.marked_below = joined.marked_below or child.marked_below
    return joined


def _drawn(graph: Unfolded, scope: _Scope, depth: int, level: int) -> Iterator[Line]:
    for child in scope.below.values():
        name, shown = child.name, child
        while len(shown.below) == 1 and not shown.marks and not shown.outputs and _same_size(shown):
            shown = next(iter(shown.below.values()))
            name = f"{name}/{shown.name}"
        opened = shown.below and (depth + 1 < level or shown.marked_below)
        yield Line(
            depth=depth,
            name=name,
            ops=dict(shown.ops),
            dims=shape(graph, shown.last) if shown.last is not None else None,
            marks=tuple(shown.marks),
            outputs=tuple(shown.outputs) if opened else tuple(_outputs_below(shown)),
        )
        if opened:
            yield from _drawn(graph, shown, depth + 1, level)


def _same_size(scope: _Scope) -> bool:
    """Whether all that a scope has is in the one scope below it."""
    (only,) = scope.below.values()
    return scope.ops == only.ops


def _outputs_below(scope: _Scope) -> Iterator[str]:
    yield from scope.outputs
    for child in scope.below.values():
        yield from _outputs_below(child)


def _deepest(scope: _Scope) -> int:
    """How many scopes stand within each other."""
    return 1 + max(map(_deepest, scope.below.values()), default=0)
