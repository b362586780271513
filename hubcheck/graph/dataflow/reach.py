"""What a consumer of a graph can run: from what it exposes, through data and control inputs, into every function."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hubcheck.graph.dataflow.body import Body
from hubcheck.graph.dataflow.calls import FUNCTION_OPS, Call
from hubcheck.graph.dataflow.view import GraphView
from hubcheck.graph.op_tables import ops

_IMPLEMENTS = "api_implements"
"""Grappler may put any function for another one whose attribute of this name has the same value."""


@dataclass(frozen=True, slots=True)
class Root:
    """Something that a consumer runs: a tensor or node of the main graph, or a function of the library.

    `feeds` says that the loader runs it, and feeds the paths of the checkpoint and of the assets when it does;
    `answers` that its results are what the convention is about.
    """

    label: str
    node: str | None = None
    function: str | None = None
    feeds: bool = False
    answers: bool = False


@dataclass(frozen=True, slots=True)
class Site:
    """A reached node that runs a function."""

    body: Body
    index: int
    call: Call


class Reach:
    """The nodes that any root leads to, each with the first root that does.

    In the main graph these are the roots and what they need, as a session prunes it; of a function that is
    reached, every node counts, because TensorFlow keeps those with side effects. Linear in nodes and edges.
    Roots that answer come first and roots that are fed last: a node's first root tells what kinds it has.

    A function leads to its gradient, too, and to any that TensorFlow can put in its place.

    `bodies` are the main graph and the functions reached, `sites` says which nodes run a function.
    """

    __slots__ = ("_first", "_gradients", "_groups", "_kinds", "_likes", "_roots", "bodies", "sites", "view")

    def __init__(self, view: GraphView, library: Any, roots: Sequence[Root]) -> None:
        self.view = view
        self.bodies: list[Body] = [view.main]
        self.sites: defaultdict[str, list[Site]] = defaultdict(list)
        self._roots = roots
        self._first: dict[str | None, array[int]] = {None: array("i", [-1]) * len(view.main)}
        self._kinds: dict[str, bool] = {}
        self._likes, self._groups = _likes(library.function)
        self._gradients = {entry.function_name: entry.gradient_func for entry in library.gradient}
        for number, root in enumerate(roots):
            functions = [root.function] if root.function is not None else []
            if root.node is not None:
                functions += self._walk(root.node, number)
            self._enter(functions, number)

    def nodes(self, wanted: Collection[str] | None = None) -> Iterator[tuple[Body, int]]:
        """The reached nodes, or those of them with one of these ops."""
        for body in self.bodies:
            if wanted is not None and set(body.ops).isdisjoint(wanted):
                continue
            first = self._first[body.function]
            for index in body:
                reached = body.function is not None or first[index] >= 0
                if reached and (wanted is None or body.ops[index] in wanted):
                    yield body, index

    def root(self, body: Body, index: int) -> Root:
        """The first root that leads to a reached node."""
        return self._roots[self._first[body.function][index if body.function is None else 0]]

    def fed(self, index: int) -> bool:
        """Whether a node of the main graph runs only where the loader feeds what it knows."""
        first = self._first[None]
        return index < len(first) and first[index] >= 0 and self._roots[first[index]].feeds

    def _walk(self, name: str, number: int) -> list[str]:
        """Mark what a node of the main graph needs; the functions that are called on the way."""
        main, first = self.view.main, self._first[None]
        size = len(first)
        start = main.find(name.removeprefix("^").partition(":")[0])
        functions: list[str] = []
        waiting = [] if start is None or start >= len(first) or first[start] >= 0 else [start]
        while waiting:
            index = waiting.pop()
            if first[index] >= 0:
                continue
            first[index] = number
            if self._is_call(main.ops[index]):
                functions += self._calls(main, index)
            waiting += [source for source in main.sources(index) if source < size and first[source] < 0]
            waiting += [source for source in main.controls(index) if source < size and first[source] < 0]
        return functions

    def _enter(self, functions: list[str], number: int) -> None:
        """Mark functions and all that they lead to."""
        while functions:
            name = functions.pop()
            body = self.view.function(name) if name not in self._first else None
            if body is None:
                continue
            self._first[name] = array("i", [number])
            self.bodies.append(body)
            functions += self._likes.pop(self._groups.get(name, b""), ())
            functions += [self._gradients[name]] if name in self._gradients else []
            calling = {op for op in set(body.ops) if self._is_call(op)}
            for index in body if calling else ():
                if body.ops[index] in calling:
                    functions += self._calls(body, index)

    def _calls(self, body: Body, index: int) -> list[str]:
        """The functions that a node runs, or hands on to those that it runs."""
        for call in self.view.calls(body, index):
            self.sites[call.function].append(Site(body, index, call))
        node = body.node(index)
        return [] if node is None else [node.op, *_functions_in(node.attr)]

    def _is_call(self, op: str) -> bool:
        """Whether nodes with this op can run functions."""
        known = self._kinds.get(op)
        if known is None:
            known = self._kinds[op] = op in FUNCTION_OPS or not ops.is_stock(op)
        return known


def _functions_in(attributes: Any) -> Iterator[str]:
    """All functions in a node's attributes; a function can have attributes, and functions among them.

    By the attributes' names: a map of protobuf has no order, and another one in each process.
    """
    waiting = [attributes]
    while waiting:
        inner = waiting.pop()
        for value in map(inner.__getitem__, sorted(inner)):
            for function in (value.func, *value.list.func):
                if function.name:
                    yield function.name
                    waiting.append(function.attr)


def _likes(library: Iterable[Any]) -> tuple[dict[bytes, list[str]], dict[str, bytes]]:
    """The functions that can be put in each other's place, and for each of them its group."""
    groups: dict[bytes, list[str]] = {}
    for function in library:
        if _IMPLEMENTS in function.attr:
            groups.setdefault(function.attr[_IMPLEMENTS].s, []).append(function.signature.name)
    return groups, {name: key for key, group in groups.items() for name in group}
