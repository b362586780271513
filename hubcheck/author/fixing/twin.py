"""Copies of modules that differ in what a comparison must not depend on: devices, and random numbers."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hubcheck.author.errors import AuthorError
from hubcheck.graph.op_tables.ops import random_ops
from hubcheck.module.proto import message_class
from hubcheck.module.types import Module
from hubcheck.remote.sources import read

_SHAPE_TYPES = {
    **dict.fromkeys(("RandomUniform", "RandomStandardNormal", "TruncatedNormal"), "T"),
    **dict.fromkeys(("StatelessRandomUniform", "StatelessRandomNormal", "StatelessTruncatedNormal"), "T"),
    **dict.fromkeys(("StatelessRandomUniformV2", "StatelessRandomNormalV2", "StatelessTruncatedNormalV2"), "Tshape"),
}
"""Ops whose result can be replaced by a constant, and their attributes with the type of the shape."""
_KEPT = 0.99
"""A uniform number for which dropout keeps an entry at any usual rate."""


class NoTwin(AuthorError):
    """There is no such copy; the message says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"nothing was written: the module cannot be copied for a comparison: {reason}")


def twin(module: Module, folder: Path) -> Module:
    """Return a copy of a module in a folder, without devices, and with constants in place of random numbers.

    Raises:
        NoTwin: its graph draws random numbers in a way that cannot be replaced.
    """
    if module.file != "saved_model.pb":
        raise NoTwin("its graph is stored as text")
    copy = folder / "module"
    # A link may lead to a file that the module must not read.
    for name in set(module.files) - {link.name for link in module.links}:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        _link(module.folder / name, copy / name)
    proto = message_class("SavedModel").FromString((copy / module.file).read_bytes())
    for meta in proto.meta_graphs:
        _replace(meta.graph_def.node, "")
        for function in meta.graph_def.library.function:
            _replace(function.node_def, ":output")
    (copy / module.file).unlink()
    (copy / module.file).write_bytes(proto.SerializeToString())
    return read(copy)


def draws(module: Module) -> bool:
    """Return whether any graph of a module draws random numbers."""
    kinds = random_ops().keys()
    return any(node.op in kinds for variant in module.variants for node in _all_nodes(variant.graph))


def _all_nodes(graph: Any) -> Iterator[Any]:
    yield from graph.node
    for function in graph.library.function:
        yield from function.node_def


def _replace(nodes: Any, output: str) -> None:
    """Clear devices, and let random ops fill their shape with a constant.

    Args:
        nodes: the nodes of a graph or a function.
        output: how inputs name the output of a node, before its number.
    """
    kinds = random_ops().keys()
    for node in list(nodes):
        node.device = ""
        if node.op not in kinds:
            continue
        if node.op not in _SHAPE_TYPES:
            raise NoTwin(f"it draws random numbers by {node.op}")
        # Attributes with their default value may be left out.
        dtype, shape_type = node.attr["dtype"].type or 1, node.attr[_SHAPE_TYPES[node.op]].type
        value = nodes.add(name=f"{node.name}/kept", op="Const")
        value.attr["dtype"].type = dtype
        value.attr["value"].tensor.dtype = 1
        value.attr["value"].tensor.float_val.append(_KEPT)
        cast = nodes.add(name=f"{node.name}/cast", op="Cast", input=[f"{value.name}{output}:0"])
        value.attr["dtype"].type, cast.attr["SrcT"].type, cast.attr["DstT"].type = 1, 1, dtype
        shape = node.input[0]
        control = [name for name in node.input if name.startswith("^")]
        node.op = "Fill"
        node.input[:] = [shape, f"{cast.name}{':y' if output else ''}:0", *control]
        node.attr.clear()
        node.attr["T"].type, node.attr["index_type"].type = dtype, shape_type or 3


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copy2(source, target)
