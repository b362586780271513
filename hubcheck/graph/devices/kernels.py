"""The kernels of stock TensorFlow, and the attributes of nodes that choose among them.

With the table `rules/data/kernels.tsv`, which `make tables` writes, hubcheck knows what a GPU can run without a GPU or
TensorFlow.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cache, lru_cache
from typing import Any, Literal

from hubcheck.graph.dataflow.body import Body
from hubcheck.graph.op_tables import ops
from hubcheck.module.dtypes import dtype_name
from hubcheck.util import resources
from hubcheck.util.record import record

Device = Literal["CPU", "GPU"]
Texts = tuple[str, ...]
_MAX_CALLERS = 1000
"""Functions that call each other and pass an attribute on."""
_UNNAMED = "-"

Values = Callable[[str], Texts | None]
"""Returns the values of an attribute: dtypes by name, others as text; None if they are unknown."""


@record
class Kernel:
    """One kernel: the allowed values of its op's attributes, and the arguments that it needs or leaves in host memory.

    `device` is CPU, GPU or DEFAULT, which any device without a kernel of its own uses.
    """

    device: str
    host: frozenset[str]
    allowed: Mapping[str, frozenset[str]]

    def takes(self, values: Values) -> bool:
        """Return whether this kernel can run a node with these attributes; unknown attributes are allowed."""
        return all(allowed.issuperset(values(name) or ()) for name, allowed in self.allowed.items())


@cache
def kernels(op: str) -> tuple[Kernel, ...]:
    """Return all kernels of an op."""
    return tuple(
        Kernel(
            device=device,
            host=frozenset(host.split()),
            allowed={
                name: frozenset(values.split(","))
                for name, _, values in (item.partition("=") for item in allowed.split())
            },
        )
        for device, host, allowed in (row.split("\t") for row in _rows(op))
    )


def kernel_for(op: str, device: Device, values: Values) -> Kernel | None:
    """Return the kernel that TensorFlow chooses for a node on a device: the device's own, else the DEFAULT one."""
    fitting = [kernel for kernel in kernels(op) if kernel.device in (device, "DEFAULT") and kernel.takes(values)]
    return min(fitting, key=lambda kernel: kernel.device == "DEFAULT", default=None)


def _rows(op: str) -> Iterator[str]:
    """Yield the rows of an op. A graph has a few dozen of the thousand ops: finding them is faster than parsing all."""
    table, start = _table(), f"\n{op}\t"
    position = table.find(start) if op.isprintable() else -1  # a tab in a name would match the middle of a row
    while position >= 0:
        end = table.index("\n", position + 1)
        yield table[position + len(start) : end]
        position = table.find(start, end)


@cache
def _table() -> str:
    return (resources.folder("rules") / "data" / "kernels.tsv").read_text(encoding="utf-8")


class KernelAttributes:
    """The attributes of a graph's nodes as the kernel table writes them; in a function, as its callers set them.

    `sites` has, for each function, the nodes that run it.
    """

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
