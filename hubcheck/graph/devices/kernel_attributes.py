"""The attributes of a node as the kernel table writes them; in a function, as its callers set them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from typing import Any

from hubcheck.graph.dataflow.body import Body
from hubcheck.graph.op_tables import ops
from hubcheck.module.dtypes import dtype_name

Texts = tuple[str, ...]
_MAX_CALLERS = 1000
"""Functions that call each other and pass an attribute on."""
_UNNAMED = "-"


class KernelAttributes:
    """The attributes of a graph's nodes; `sites` has, for each function, the nodes that run it."""

    def __init__(self, sites: Mapping[str, Collection[tuple[Body, int]]]) -> None:
        self._sites = sites
        self._known: dict[tuple[str | None, str], Texts | None] = {}

    def value(self, body: Body, index: int, name: str) -> Texts | None:
        """Return an attribute as texts, one for each element of a list; None if it is not set or callers differ."""
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
            values = self._set_by_callers(body.function, value.placeholder)
            self._known[key] = values.pop() if len(values) == 1 else None
        return self._known[key]

    def _set_by_callers(self, function: str | None, name: str) -> set[Texts]:
        """Return the values that the callers of a function, and theirs, set for one of its attributes."""
        waiting = [(function, name)]
        seen: set[tuple[str | None, str]] = set()
        values: set[Texts] = set()
        while waiting and len(seen) < _MAX_CALLERS:
            function, name = key = waiting.pop()
            if key in seen or function is None:
                continue
            seen.add(key)
            for caller, index in self._sites.get(function, ()):
                for value in _set_at(caller, index, function, name):
                    if value.WhichOneof("value") == "placeholder":
                        waiting.append((caller.function, value.placeholder))
                    else:
                        values.add(_texts(value))
        return values


def _set_at(caller: Body, index: int, function: str, name: str) -> Iterator[Any]:
    """Yield a function's attribute in a node that runs it: among the node's own, or beside the function's name."""
    node = caller.node(index)
    if node is None:
        return
    if node.op == function:
        if name in node.attr:
            yield node.attr[name]
        return
    for value in node.attr.values():
        for called in (value.func, *value.list.func):
            if called.name == function and name in called.attr:
                yield called.attr[name]


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
