"""Which entries of a checkpoint are read by what a consumer can call: signatures, and functions of the object."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

from hubcheck.graph.dataflow.body import Body, Port
from hubcheck.graph.dataflow.reach import SAVER, Reach
from hubcheck.module.proto import parse_collection
from hubcheck.module.types import Module, Variant

VARIABLE_OPS = ("VariableV2", "Variable", "VarHandleOp")
_RESTORE_OPS = ("RestoreV2", "Restore", "RestoreSlice")
_FORWARDING_OPS = frozenset({"Identity", "Cast", "Reshape"})
_NAMES = 1
"""The input of a restore op that has the names of its outputs in the checkpoint."""
_VARIABLE_KEY = "/.ATTRIBUTES/VARIABLE_VALUE"
_PART = r"(?s)^(.+)/part_\d+$"


def read_entries(module: Module, reaches: Mapping[tuple[str, ...], Reach]) -> set[str] | None:
    """Return the names of the entries that are read, and of those that may be; None if the files do not tell.

    `reaches` is what a consumer can run of each variant, by its tags.
    """
    entries = module.checkpoint.entries if module.checkpoint is not None else {}
    if module.objects is not None:
        return _read_by_functions(module, entries) if len(module.variants) == 1 else None
    read: set[str] = set()
    for variant in module.variants:
        reach = reaches[variant.tags]
        found = _read_by_names(variant, reach) if module.format == "tf1-hub" else _read_as_restored(reach)
        if found is None:
            return None
        read |= found
    return read


def _read_by_functions(module: Module, entries: Collection[str]) -> set[str] | None:
    """Return the entries of a TF2 module: of the variables that its functions capture, and of all other objects.

    A sharded variable is stored as a whole and in parts: what captures any of these reads all.
    """
    assert module.objects is not None
    functions = module.objects.proto.concrete_functions.values()
    captured = {number for function in functions for number in function.bound_inputs}
    (variant,) = module.variants
    if variant.variables and all(variable.checkpoint_key is None for variable in variant.variables):
        return None  # the object graph, which has the names of entries, is in a data file that cannot be read
    read = [variable for variable in variant.variables if variable.node in captured]
    sharded = {match[1] for variable in variant.variables if (match := re.fullmatch(_PART, variable.name))}
    wholes = sharded & {re.sub(_PART, r"\1", variable.name) for variable in read}
    read += [variable for variable in variant.variables if re.sub(_PART, r"\1", variable.name) in wholes]
    keys = {variable.checkpoint_key for variable in read}
    return {key for key in entries if key in keys or not key.endswith(_VARIABLE_KEY)}


def _read_by_names(variant: Variant, reach: Reach) -> set[str]:
    """Return the entries of a variant in TF1 Hub format, in which variables are stored under their own names."""
    main = reach.view.main
    names = {name for index in _reached(reach, VARIABLE_OPS) for name in _names(main, index)}
    for definition in filter(None, parse_collection(variant.collections, "variables", "VariableDef")):
        if definition.variable_name.partition(":")[0] in names:
            names.add(definition.save_slice_info_def.full_name)
    return names


def _names(body: Body, index: int) -> Iterator[str]:
    yield body.names[index]
    shared = body.attribute(index, "shared_name")
    if shared is not None and shared.s:
        yield shared.s.decode("utf-8", "backslashreplace")


def _read_as_restored(reach: Reach) -> set[str] | None:
    """Return the entries of a TF1 SavedModel, whose graph says what is restored from which name."""
    main = reach.view.main
    uses = _Uses(main)
    holders: dict[str, set[int]] = {}
    for index in main if main.kinds.intersection(_RESTORE_OPS) else ():
        if main.ops[index] in _RESTORE_OPS:
            port = main.input(index, _NAMES)
            value = main.attribute(port[0], "value") if port is not None and main.ops[port[0]] == "Const" else None
            if value is None:
                return None
            for number, name in enumerate(value.tensor.string_val):
                key = name.decode("utf-8", "backslashreplace")
                holders.setdefault(key, set()).update(_holders(uses, index, number))
    if not holders:
        return None
    reached = set(_reached(reach, {main.ops[node] for nodes in holders.values() for node in nodes}))
    return {key for key, nodes in holders.items() if not nodes or nodes & reached}


def _holders(uses: _Uses, restore: int, number: int) -> set[int]:
    """Return the nodes, such as variables, in which an output of a restore op is kept."""
    main, holders = uses.body, set[int]()
    waiting, seen = [(restore, number)], set[Port]()
    while waiting:
        port = waiting.pop()
        if port in seen:
            continue
        seen.add(port)
        for consumer in uses.of(port):
            if main.ops[consumer] in _FORWARDING_OPS:
                waiting.append((consumer, 0))
            else:
                holders.update(source for source, _ in main.inputs(consumer) if not main.inputs(source))
    return {node for node in holders if main.ops[node] != "Const"}


class _Uses:
    """The nodes that take each output of a node, sorted once: a restore op may have thousands of outputs."""

    def __init__(self, body: Body) -> None:
        self.body = body
        self._by_node: dict[int, dict[Port, list[int]]] = {}

    def of(self, port: Port) -> list[int]:
        node = port[0]
        if node not in self._by_node:
            table = self._by_node[node] = {}
            for consumer in self.body.consumers[node]:
                for taken in dict.fromkeys(self.body.inputs(consumer)):
                    if taken[0] == node:
                        table.setdefault(taken, []).append(consumer)
        return self._by_node[node].get(port, [])


def _reached(reach: Reach, ops: Collection[str]) -> Iterator[int]:
    """Yield the nodes of the main graph with one of these ops that more than the saver runs."""
    for body, index in reach.nodes(ops):
        if body.function is None and reach.root(body, index).label != SAVER:
            yield index
