"""Who chooses the path of a file that a node opens: the loader, the caller, the module's own assets, or the graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Literal, NamedTuple

from hubcheck.graph.dataflow.body import ARGUMENT, Body, Port
from hubcheck.graph.dataflow.control_flow_v1 import MERGES, SWITCHES
from hubcheck.graph.dataflow.reach import Reach

PathOrigin = Literal["loader", "caller", "asset", "graph"]

_FIRST_INPUT = {"Identity", "StopGradient", "PreventGradient", "EnsureShape", "Reshape", "ExpandDims", "Squeeze",
                "ShardedFilename", "ShardedFilespec", "StridedSlice", "Gather", "GatherV2", "Unpack", "StringStrip",
                "PlaceholderWithDefault", *SWITCHES}  # fmt: skip
_ALL_INPUTS = {"Pack", "TensorDataset", "TensorSliceDataset", *MERGES}
_CHOICES = {"Select", "SelectV2"}
_STRING = 7
_BUDGET = 1_000_000
"""Tensors that are visited for all paths of a graph; after that, every path counts as the graph's own choice."""

CallBinding = Sequence[PathOrigin]
"""How a function is called from outside the graph: who chooses each of its arguments."""


class _Source(NamedTuple):
    """A tensor that a path is made of; `begins` says that the path begins with it."""

    body: Body
    port: Port
    begins: bool


class PathOrigins:
    """The origins of paths in what can run of one graph.

    `fed` are the tensors of the main graph that loaders feed where they restore and initialise ("saver_filename:0"),
    `bindings` says how the restored object calls the functions that it exposes.
    """

    def __init__(self, reach: Reach, fed: Iterable[str], bindings: Mapping[str, CallBinding]) -> None:
        self._reach = reach
        self._budget = _BUDGET
        self._bindings = bindings
        self._fed = {port for port in map(reach.view.tensor, fed) if port is not None}

    def origins(self, body: Body, port: Port) -> frozenset[PathOrigin]:
        """Return everyone who decides where a path leads.

        A constant that is appended to the path does not count, unless it leaves the folder with "..".
        """
        origins: set[PathOrigin] = set()
        waiting = [_Source(body, port, True)]
        seen: set[tuple[str | None, Port, bool]] = set()
        while waiting:
            self._budget -= 1
            if self._budget < 0:
                return frozenset({"graph"})
            source = waiting.pop()
            key = (source.body.function, source.port, source.begins)
            if key not in seen:
                seen.add(key)
                items = list(self._behind(*source))
                waiting += [item for item in items if isinstance(item, _Source)]
                origins.update(item for item in items if not isinstance(item, _Source))
        return frozenset(origins)

    def _behind(self, body: Body, port: Port, begins: bool) -> Iterable[_Source | PathOrigin]:
        """Return the tensors that a tensor is made of, or who chooses it."""
        node, _ = port
        op = body.ops[node]
        if body.function is None and port in self._fed and self._reach.fed(node):
            return ["loader"]
        if op == ARGUMENT:
            return self._argument(body, node, begins)
        if op == "Placeholder":
            return ["caller"]
        if op == "Const":
            dtype = body.attribute(node, "dtype")
            is_text = dtype is None or dtype.type == _STRING
            return ["graph"] if is_text and (begins or _leaves_folder(body, node, "value")) else []
        sources = _parts(body, port) or [(source, True) for source in self._assigned(body, port)]
        if sources:
            return [_Source(body, source, begins and first) for source, first in sources]
        return self._results(body, port, begins) or ["graph"]

    def _argument(self, body: Body, number: int, begins: bool) -> Iterator[_Source | PathOrigin]:
        """Yield what each caller of a function passes as an argument."""
        name = body.function or ""
        sites, binding = self._reach.sites.get(name, ()), self._bindings.get(name)
        for caller, node, call in sites:
            given = caller.input(node, call.first + number) if call.bound else None
            if call.role == "element":
                yield from (_Source(caller, source, begins) for source in caller.inputs(node))
            elif given is not None and call.role not in ("loop", "condition"):
                yield _Source(caller, given, begins)
            else:
                yield "graph"
        if binding is not None and number < len(binding):
            yield binding[number]
        elif binding is not None or not sites:
            yield "graph"

    def _results(self, body: Body, port: Port, begins: bool) -> list[_Source]:
        """Return the results of the functions that a node calls; none if it calls none or they cannot be followed."""
        node, number = port
        sources = []
        for call in self._reach.view.calls(body, node):
            callee = self._reach.view.function(call.function)
            if callee is None or not call.returns or number >= len(callee.results):
                return []
            sources.append(_Source(callee, callee.results[number], begins))
        return sources

    def _assigned(self, body: Body, port: Port) -> list[Port]:
        """Return what a variable of the main graph is set to; nothing if something else can set it.

        Exporters pass the path of an asset through such a variable.
        """
        handle = body.input(port[0], 0) if body.ops[port[0]] == "ReadVariableOp" and body.function is None else None
        if handle is None or body.ops[handle[0]] != "VarHandleOp" or self._handles[_shared_name(body, handle[0])] != 1:
            return []
        values: list[Port] = []
        for consumer in body.consumers[handle[0]]:
            if body.ops[consumer] == "AssignVariableOp" and body.inputs(consumer)[0] == handle:
                values += body.inputs(consumer)[1:2]
            elif body.ops[consumer] not in ("ReadVariableOp", "VarIsInitializedOp"):
                return []
        return values

    @cached_property
    def _handles(self) -> Counter[str]:
        """How many nodes return a handle of each variable."""
        return Counter(_shared_name(*place) for place in self._reach.nodes({"VarHandleOp"}))


def _parts(body: Body, port: Port) -> list[tuple[Port, bool]]:
    """Return the tensors that a path op combines, each with whether the path can begin with it; none for other ops."""
    node, number = port
    op, inputs = body.ops[node], body.inputs(node)
    if op == "StringJoin" and not _leaves_folder(body, node, "separator"):
        return [(source, i == 0) for i, source in enumerate(inputs)]
    if op in _FIRST_INPUT:
        inputs = inputs[:1]
    elif op == "IdentityN":
        inputs = inputs[number : number + 1]
    elif op == "ConcatV2":
        inputs = inputs[:-1]
    elif op in _CHOICES:
        inputs = inputs[1:]
    elif op not in _ALL_INPUTS:
        return []
    return [(source, True) for source in inputs]


def _shared_name(body: Body, node: int) -> str:
    value = body.attribute(node, "shared_name")
    return str(value.s.decode("utf-8", "replace")) if value is not None and value.s else body.names[node]


def _leaves_folder(body: Body, node: int, attribute: str) -> bool:
    """Return whether appended text can leave the folder, alone or together with what follows it."""
    value = body.attribute(node, attribute)
    if value is None:
        return False
    texts = value.tensor.string_val if attribute == "value" else (value.s,)
    return any(b".." in text or text.endswith(b".") for text in texts)
