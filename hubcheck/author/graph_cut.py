"""A part of a flat graph: what some of its tensors need, with a final softmax left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from hubcheck.author.flatten import FlatGraph

_PROBABILITIES = {"Softmax": "softmax", "LogSoftmax": "log_softmax", "Sigmoid": "sigmoid"}
_SAME_SCORES = {"Identity", "Reshape", "Squeeze", "Cast", "StopGradient", "EnsureShape", "IdentityN"}
REF_VARIABLES = frozenset({"VariableV2", "Variable"})


def full(name: str) -> str:
    """A tensor's full name: "scores" is short for "scores:0"."""
    return name if ":" in name else f"{name}:0"


def end_activation(flat: FlatGraph, tensor: str) -> tuple[str, str] | None:
    """The softmax or sigmoid that ends the computation of a tensor: its node, and its name as people say it."""
    nodes = {node.name: node for node in flat.graph_def.node}
    name = tensor
    while (node := nodes.get(name.partition(":")[0])) is not None:
        if node.op in _PROBABILITIES:
            return node.name, _PROBABILITIES[node.op]
        if node.op not in _SAME_SCORES:
            return None
        index = int(full(name).rpartition(":")[2]) if node.op == "IdentityN" else 0
        name = node.input[index]
    return None


def without(flat: FlatGraph, removed: Iterable[str]) -> Any:
    """The graph with some nodes of one input and one output left out: who read their output reads their input."""
    nodes = {node.name: node for node in flat.graph_def.node}
    instead = {full(name): full(nodes[name].input[0]) for name in removed}
    graph_def = tf.compat.v1.GraphDef()
    graph_def.CopyFrom(flat.graph_def)
    for node in graph_def.node:
        node.input[:] = [instead.get(full(name), name) if not name.startswith("^") else name for name in node.input]
    return graph_def, instead


def place(graph_def: Any, feeds: Mapping[str, Any], fetches: Sequence[str]) -> list[Any]:
    """Import what the fetched tensors need into the current graph, fed with tensors of that graph."""
    needed = _needed(graph_def, [name for name in fetches if name not in feeds], feeds)
    part = tf.compat.v1.GraphDef(versions=graph_def.versions, library=graph_def.library)
    part.node.extend(node for node in graph_def.node if node.name in needed)
    used = {full(name) for node in part.node for name in node.input if not name.startswith("^")}
    wanted = [name for name in fetches if name not in feeds]
    made = tf.graph_util.import_graph_def(
        part,
        input_map={name: tensor for name, tensor in feeds.items() if name in used},
        return_elements=wanted,
        name="",
    )
    found = {**feeds, **dict(zip(wanted, made, strict=True))}
    return [found[name] for name in fetches]


def _needed(graph_def: Any, fetches: Iterable[str], feeds: Mapping[str, Any]) -> set[str]:
    nodes = {node.name: node for node in graph_def.node}
    seen: set[str] = set()
    stack = [name.partition(":")[0] for name in fetches]
    while stack:
        name = stack.pop()
        if name in seen or name not in nodes:
            continue
        seen.add(name)
        for other in nodes[name].input:
            if other.startswith("^"):
                stack.append(other[1:])
            elif full(other) not in feeds:
                stack.append(other.partition(":")[0])
    return seen - {name.partition(":")[0] for name in feeds}
