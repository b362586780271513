"""The variables that graph-based variants (TF1) restore, with their names in the checkpoint."""

from __future__ import annotations

from typing import Any

from hubcheck.module.dtypes import dtype_name
from hubcheck.module.from_proto import UNKNOWN_RANK, shape
from hubcheck.module.proto import parse_collection
from hubcheck.module.tensors import Shape, Slice
from hubcheck.module.types import Variable

_RESTORE_OPS = {"RestoreV2", "Restore", "RestoreSlice"}
_NAMES = 1
"""The input of a restore op that has the names of its outputs in the checkpoint."""
_VARIABLE_OPS = {"VariableV2", "Variable", "VarHandleOp"}


def collection_variables(meta: Any) -> tuple[Variable, ...]:
    """Return the variables in the collection `variables`, for which the loader of TF1 Hub format makes a saver."""
    nodes = {node.name: node for node in meta.graph_def.node if node.op in _VARIABLE_OPS}
    found: dict[str, Variable] = {}
    for definition in filter(None, parse_collection(meta.collection_def, "variables", "VariableDef")):
        name = definition.variable_name.partition(":")[0]
        part = definition.save_slice_info_def
        dtype, static = _declared(nodes.get(name))
        if part.full_name:
            extents = tuple(zip(part.var_offset, part.var_shape, strict=False))
            _add(found, part.full_name, dtype, Shape(tuple(part.full_shape)), extents)
        else:
            # A resource variable is saved under its shared name, which differs from its own in graphs that were
            # imported with a scope.
            node = nodes.get(name)
            shared = node.attr["shared_name"].s if node is not None and node.op == "VarHandleOp" else b""
            key = shared.decode("utf-8", "backslashreplace") or name
            found[key] = Variable(name, dtype, static, key)
    return tuple(found.values())


def restored_variables(meta: Any) -> tuple[Variable, ...]:
    """Return what the restore op of saver_def, and the ops it depends on, read from the checkpoint."""
    if not meta.saver_def.restore_op_name:
        return ()
    nodes = {node.name: node for node in meta.graph_def.node}
    todo, seen = [meta.saver_def.restore_op_name], set()
    found: dict[str, Variable] = {}
    while todo:
        name = _node_name(todo.pop())
        if name in seen or name not in nodes:
            continue
        seen.add(name)
        node = nodes[name]
        todo.extend(node.input)
        if node.op in _RESTORE_OPS and len(node.input) > _NAMES:
            names = nodes.get(_node_name(node.input[_NAMES]))
            if names is None or names.op != "Const":
                continue
            slices = nodes.get(_node_name(node.input[2])) if len(node.input) > 2 else None
            specs = list(slices.attr["value"].tensor.string_val) if slices is not None else []
            dtypes = list(node.attr["dtypes"].list.type)
            for i, key in enumerate(names.attr["value"].tensor.string_val):
                text = key.decode("utf-8", "backslashreplace")
                dtype = dtype_name(dtypes[i]) if i < len(dtypes) else "unspecified"
                full, part = parse_slice(specs[i]) if i < len(specs) else (UNKNOWN_RANK, None)
                if part is None:
                    found[text] = Variable(text, dtype, _declared(nodes.get(text))[1], text)
                else:
                    _add(found, text, dtype, full, part)
    return tuple(found.values())


def _add(found: dict[str, Variable], name: str, dtype: str, full: Shape, part: Slice) -> None:
    """Add a part of a partitioned variable, which is stored under the name of the whole one."""
    earlier = found[name].slices if name in found else ()
    found[name] = Variable(name, dtype, full, name, (*earlier, part))


def parse_slice(text: bytes) -> tuple[Shape, Slice | None]:
    """Parse one of the `shape_and_slices` of a restore op: "8 16 0,4:-" is rows 0 to 3 of shape [8, 16], "" a whole
    tensor; anything else is a slice of nothing."""
    if not text:
        return UNKNOWN_RANK, None
    *sizes, extents = text.split(b" ")
    part: list[tuple[int, int]] = []
    try:
        dims = tuple(map(int, sizes))
        for extent, size in zip(extents.split(b":"), dims, strict=True):
            start, length = (0, size) if extent == b"-" else map(int, extent.split(b","))
            part.append((start, length))
    except ValueError:
        return UNKNOWN_RANK, ()
    return Shape(dims), tuple(part)


def _node_name(edge: str) -> str:
    return edge.removeprefix("^").partition(":")[0]


def _declared(node: Any | None) -> tuple[str, Shape]:
    if node is None or node.op not in _VARIABLE_OPS:
        return "unspecified", UNKNOWN_RANK
    return dtype_name(node.attr["dtype"].type), shape(node.attr["shape"].shape)
