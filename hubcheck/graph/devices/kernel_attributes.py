"""The attributes of a node as the kernel table writes them; inside a function, as its callers set them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from typing import Any

from hubcheck.graph.dataflow.body import Body
from hubcheck.graph.op_tables import ops
from hubcheck.module.dtypes import dtype_name

Texts = tuple[str, ...]
_MOST_CALLERS = 1000
_UNNAMED = "-"


class Attributes:
    """Args:
    sites: for each function, the nodes that run it.
    """

    __slots__ = ("_known", "_sites")

    def __init__(self, sites: Mapping[str, Collection[tuple[Body, int]]]) -> None:
        self._sites = sites
        self._known: dict[tuple[str | None, str], Texts | None] = {}

    def value(self, body: Body, index: int, name: str) -> Texts | None:
        """The texts of an attribute (one, or a list's), None where it has none or its callers do not agree."""
        value = body.attribute(index, name)
        if value is not None and (number := value.type):
            return _dtype(number)
        if value is None:
            definition = ops.op_def(body.ops[index])
            default = definition.defaults.get(name) if definition is not None else None
            return None if default is None else tuple(default.split(","))
        if value.WhichOneof("value") != "placeholder":
            return _texts(value)
        key = (body.function, value.placeholder)
        if key not in self._known:
            given = self._given(body, value.placeholder)
            self._known[key] = given.pop() if len(given) == 1 else None
        return self._known[key]

    def _given(self, body: Body, name: str) -> set[Texts]:
        """What the callers of a function, and theirs, give for one of its own attributes."""
        waiting = [(body.function, name)]
        seen: set[tuple[str | None, str]] = set()
        found: set[Texts] = set()
        while waiting and len(seen) < _MOST_CALLERS:
            place = waiting.pop()
            if place in seen or place[0] is None:
                continue
            seen.add(place)
            for caller, index in self._sites.get(place[0], ()):
                for value in _handed(caller, index, *place):
                    if value.WhichOneof("value") == "placeholder":
                        waiting.append((caller.function, value.placeholder))
                    else:
                        found.add(_texts(value))
        return found


def _handed(caller: Body, index: int, function: str | None, name: str) -> Iterator[Any]:
    """A function's attribute in a node that runs it: among the node's own, or beside the function's name."""
    node = caller.node(index)
    if node is None:
        return
    if node.op == function:
        if name in node.attr:
            yield node.attr[name]
        return
    for value in node.attr.values():
        for handed in (value.func, *value.list.func):
            if handed.name == function and name in handed.attr:
                yield handed.attr[name]


@lru_cache(maxsize=1000)
def _dtype(number: int) -> Texts:
    return (dtype_name(number),)


def _texts(value: Any) -> Texts:
    match value.WhichOneof("value"):
        case "type":
            return _dtype(value.type)
        case "list":
            return tuple(map(dtype_name, value.list.type))
        case "s":
            return (value.s.decode("utf-8", "replace") or _UNNAMED,)
        case "i":
            return (str(value.i),)
        case "b":
            return (str(value.b).lower(),)
        case _:
            return ()
