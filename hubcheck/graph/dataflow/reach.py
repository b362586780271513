"""What a consumer can run of a graph: through data and control inputs, and into every function."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from hubcheck.graph.dataflow.body import Body
from hubcheck.graph.dataflow.view import Call, GraphView
from hubcheck.util.record import record

SAVER = "the saver"
"""The label of what saves and restores the checkpoint."""
_IMPLEMENTS = "api_implements"
"""Grappler may replace a function by any other whose attribute of this name has the same value."""


@record
class Root:
    """Something that a consumer runs: a tensor or node of the main graph, or a function of the library.

    `feeds`: the loader runs it, and feeds the paths of the checkpoint and of the assets.
    `answers`: its results are what the convention is about, or it is run together with them in training.
    """

    label: str
    node: str | None = None
    function: str | None = None
    feeds: bool = False
    answers: bool = False


class Site(NamedTuple):
    """A reached node that runs a function."""

    body: Body
    node: int
    call: Call


class Reach:
    """The nodes that any root leads to, each with the first root that does.

    In the main graph these are the roots and what they need, as a session prunes it. Of a function that is reached,
    every node counts, because TensorFlow keeps those with side effects. A function leads to its gradient, too, and to
    any function that TensorFlow can put in its place. Linear in nodes and edges.

    `bodies` are the main graph and the functions reached, `sites` the nodes that run each function.
    Roots that answer come first, roots that the loader feeds last: the first root of a node says what it is.
    """

    def __init__(self, view: GraphView, roots: Sequence[Root]) -> None:
        self.view = view
        self.bodies: list[Body] = [view.main]
        self.sites: defaultdict[str, list[Site]] = defaultdict(list)
        self._roots = roots
        self._first: dict[str | None, array[int]] = {None: array("i", [-1]) * len(view.main)}
        self._replacements, self._groups = _replacements(view.library.values())
        for number, root in enumerate(roots):
            functions = [root.function] if root.function is not None else []
            if root.node is not None:
                functions += self._walk(root.node, number)
            self._enter(functions, number)

    def nodes(self, wanted: Collection[str] | None = None) -> Iterator[tuple[Body, int]]:
        """Yield the reached nodes, or those of them with one of these ops."""
        for body in self.bodies:
            first = self._first[body.function]
            kinds = body.kinds if wanted is None else body.kinds.intersection(wanted)
            for index in body if kinds else ():
                if (body.function is not None or first[index] >= 0) and body.ops[index] in kinds:
                    yield body, index

    def reaches(self, body: Body, index: int) -> bool:
        """Return whether any root leads to a node."""
        first = self._first.get(body.function, ())
        return bool(first) and (body.function is not None or first[index] >= 0)

    def root(self, body: Body, index: int) -> Root:
        """Return the first root that leads to a reached node."""
        return self._roots[self._first[body.function][index if body.function is None else 0]]

    def fed(self, index: int) -> bool:
        """Return whether a node of the main graph runs only where the loader feeds paths."""
        first = self._first[None][index]
        return first >= 0 and self._roots[first].feeds

    def _walk(self, name: str, number: int) -> list[str]:
        """Mark what a node of the main graph needs, and return the functions that it calls."""
        main, first = self.view.main, self._first[None]
        start = main.find(name.removeprefix("^").partition(":")[0])
        functions: list[str] = []
        waiting = [] if start is None else [start]
        while waiting:
            index = waiting.pop()
            if first[index] >= 0:
                continue
            first[index] = number
            if self.view.is_call(main.ops[index]):
                functions += self._calls(main, index)
            waiting += [node for node in main.needs(index) if first[node] < 0]
        return functions

    def _enter(self, functions: list[str], number: int) -> None:
        """Mark functions and all functions that they lead to."""
        while functions:
            name = functions.pop()
            body = self.view.function(name) if name not in self._first else None
            if body is None:
                continue
            self._first[name] = array("i", [number])
            self.bodies.append(body)
            functions += self._replacements.pop(self._groups.get(name, b""), ())
            functions += [self.view.gradients[name]] if name in self.view.gradients else []
            calling = {op for op in body.kinds if self.view.is_call(op)}
            for index in body if calling else ():
                if body.ops[index] in calling:
                    functions += self._calls(body, index)

    def _calls(self, body: Body, index: int) -> list[str]:
        """Return the functions that a node runs or passes on to those that it runs."""
        for call in self.view.calls(body, index):
            self.sites[call.function].append(Site(body, index, call))
        node = body.node(index)
        return [] if node is None else [node.op, *_functions_in(node.attr)]


def _functions_in(attributes: Any) -> Iterator[str]:
    """Yield all functions in a node's attributes; a function can have attributes, and functions among them.

    Sorted by the attributes' names: protobuf maps have no stable order.
    """
    waiting = [attributes]
    while waiting:
        attribute_map = waiting.pop()
        for value in map(attribute_map.__getitem__, sorted(attribute_map)):
            for function in (value.func, *value.list.func):
                if function.name:
                    yield function.name
                    waiting.append(function.attr)


def _replacements(library: Iterable[Any]) -> tuple[dict[bytes, list[str]], dict[str, bytes]]:
    """Return groups of functions that can replace each other, and the group of each function."""
    groups: dict[bytes, list[str]] = {}
    for function in library:
        if _IMPLEMENTS in function.attr:
            groups.setdefault(function.attr[_IMPLEMENTS].s, []).append(function.signature.name)
    return groups, {name: key for key, group in groups.items() for name in group}
