"""Who chooses the path that a node opens: the loader, the caller, the module's own assets, or the graph itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from hubcheck.graph.dataflow.body import ARGUMENT, Body, Port
from hubcheck.graph.dataflow.reach import Reach

PathOrigin = Literal["loader", "caller", "asset", "graph"]

_FIRST_INPUT = {"Identity", "StopGradient", "PreventGradient", "EnsureShape", "Reshape", "ExpandDims", "Squeeze",
                "ShardedFilename", "ShardedFilespec", "StridedSlice", "Gather", "GatherV2", "Unpack", "StringStrip",
                "PlaceholderWithDefault"}  # fmt: skip
_ALL_INPUTS = {"Pack", "TensorDataset", "TensorSliceDataset"}
_CHOICES = {"Select", "SelectV2"}
_JOIN = "StringJoin"
_STRING = 7
_BUDGET = 1_000_000
"""Steps for all questions about a graph; what is not answered by then counts as the graph's own choice."""


@dataclass(frozen=True, slots=True)
class CallBinding:
    """How a function can be called from outside the graph: who chooses each of its arguments."""

    origins: Sequence[PathOrigin]


class PathOrigins:
    """Answers for one graph.

    Args:
        reach: what can run.
        fed: tensors of the main graph that loaders feed where they restore and initialise ("saver_filename:0").
        entries: for functions that the restored object exposes, how it calls them.
    """

    __slots__ = ("_budget", "_entries", "_fed", "_handles", "_reach", "_readers")

    def __init__(self, reach: Reach, fed: Iterable[str], entries: Mapping[str, Sequence[CallBinding]]) -> None:
        self._reach = reach
        self._budget = _BUDGET
        self._entries = entries
        self._readers: list[list[int]] | None = None
        self._handles: Counter[str] | None = None
        self._fed = {port for port in map(reach.view.tensor, fed) if port is not None}

    def origins(self, body: Body, port: Port) -> frozenset[PathOrigin]:
        """Everyone who has a say in where a path leads.

        A constant that is joined on at the end has none, unless it climbs out with "..".
        """
        found: set[PathOrigin] = set()
        waiting: list[tuple[Body, Port, bool]] = [(body, port, True)]
        seen: set[tuple[str | None, Port, bool]] = set()
        while waiting:
            self._budget -= 1
            if self._budget < 0:
                return frozenset({"graph"})
            place = waiting.pop()
            key = (place[0].function, place[1], place[2])
            if key not in seen:
                seen.add(key)
                self._step(*place, waiting, found)
        return frozenset(found)

    def _step(
        self, body: Body, port: Port, leads: bool, waiting: list[tuple[Body, Port, bool]], found: set[PathOrigin]
    ) -> None:
        """Look at one tensor: `leads` says that it begins the path, and is not joined to another."""
        index, _ = port
        op = body.ops[index]
        if body.function is None and port in self._fed and self._reach.fed(index):
            found.add("loader")
        elif op == ARGUMENT:
            self._argument(body, index, leads, waiting, found)
        elif op == "Placeholder":
            found.add("caller")
        elif op == "Const":
            if _is_text(body, index) and (leads or _climbs(body, index, "value")):
                found.add("graph")
        elif parts := _parts(body, port):
            waiting += [(body, source, leads and first) for source, first in parts]
        elif not self._variable(body, port, leads, waiting) and not self._call(body, port, leads, waiting):
            found.add("graph")

    def _argument(
        self, body: Body, number: int, leads: bool, waiting: list[tuple[Body, Port, bool]], found: set[PathOrigin]
    ) -> None:
        """An argument of a function is what each of its callers hands in."""
        name = body.function or ""
        sites, entries = self._reach.sites.get(name, ()), self._entries.get(name, ())
        for site in sites:
            given = site.body.input(site.node, site.call.first + number) if site.call.bound else None
            if site.call.role == "element":
                waiting += [(site.body, source, leads) for source in site.body.inputs(site.node)]
            elif given is not None and site.call.role not in ("loop", "condition"):
                waiting.append((site.body, given, leads))
            else:
                found.add("graph")
        for entry in entries:
            found.add(entry.origins[number] if number < len(entry.origins) else "graph")
        if not sites and not entries:
            found.add("graph")

    def _call(self, body: Body, port: Port, leads: bool, waiting: list[tuple[Body, Port, bool]]) -> bool:
        """Walk on into the functions that give this output; False if it is no call or one cannot be followed."""
        calls = self._reach.view.calls(body, port[0])
        for call in calls:
            callee = self._reach.view.function(call.function)
            results = callee.results if callee is not None and call.returns else []
            if callee is None or port[1] >= len(results):
                return False
            waiting.append((callee, results[port[1]], leads))
        return bool(calls)

    def _variable(self, body: Body, port: Port, leads: bool, waiting: list[tuple[Body, Port, bool]]) -> bool:
        """Walk on into what a variable of the main graph is set to; False if something else can set it.

        Exporters pass the path of an asset through such a variable.
        """
        inputs = body.inputs(port[0]) if body.ops[port[0]] == "ReadVariableOp" and body.function is None else []
        if not inputs or not self._has_one_handle(body, inputs[0][0]):
            return False
        handle = inputs[0]
        if self._readers is None:
            self._readers = body.consumers
        values: list[Port] = []
        for reader in self._readers[handle[0]]:
            if body.ops[reader] == "AssignVariableOp" and body.inputs(reader)[0] == handle:
                values += body.inputs(reader)[1:2]
            elif body.ops[reader] not in ("ReadVariableOp", "VarIsInitializedOp"):
                return False
        waiting += [(body, value, leads) for value in values]
        return bool(values)

    def _has_one_handle(self, body: Body, index: int) -> bool:
        """Whether a node is the only one that gives a handle of its variable."""
        if body.ops[index] != "VarHandleOp":
            return False
        if self._handles is None:
            self._handles = Counter(_shared_name(*place) for place in self._reach.nodes({"VarHandleOp"}))
        return self._handles[_shared_name(body, index)] == 1


def _parts(body: Body, port: Port) -> list[tuple[Port, bool]]:
    """The tensors that a path op makes its result of, each with whether it can begin the path; none for others."""
    index, output = port
    op, inputs = body.ops[index], body.inputs(index)
    if op == _JOIN and not _climbs(body, index, "separator"):
        return [(source, i == 0) for i, source in enumerate(inputs)]
    if op in _FIRST_INPUT:
        inputs = inputs[:1]
    elif op == "IdentityN":
        inputs = inputs[output : output + 1]
    elif op == "ConcatV2":
        inputs = inputs[:-1]
    elif op in _CHOICES:
        inputs = inputs[1:]
    elif op not in _ALL_INPUTS:
        return []
    return [(source, True) for source in inputs]


def _is_text(body: Body, index: int) -> bool:
    dtype = body.attribute(index, "dtype")
    return dtype is None or dtype.type == _STRING


def _shared_name(body: Body, index: int) -> str:
    value = body.attribute(index, "shared_name")
    return value.s.decode("utf-8", "replace") if value is not None and value.s else body.names[index]


def _climbs(body: Body, index: int, attribute: str) -> bool:
    """Whether a text that is joined on can leave the folder, by itself or with what follows it."""
    value = body.attribute(index, attribute)
    if value is None:
        return False
    texts = value.tensor.string_val if attribute == "value" else (value.s,)
    return any(b".." in text or text.endswith(b".") for text in texts)
