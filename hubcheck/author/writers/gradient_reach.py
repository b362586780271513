"""What gradients do once those of tf.custom_gradient are lost, as in the TF1 Hub format."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Any

import tensorflow as tf
from tensorflow.python.framework import ops

from hubcheck.author.flat_graph import FlatGraph, full_name

_FLAT = frozenset({"Sign", "Floor", "Ceil", "Round", "Rint", "FloorDiv", "FloorMod", "StopGradient", "PreventGradient"})
"""Ops whose gradient is zero, none, or an error."""


def end_lost_gradients(flat: FlatGraph) -> None:
    """Let functions whose gradients were lost have none where TensorFlow would raise: in ops without a gradient."""
    nodes = {node.name: node for node in flat.graph_def.node}
    used = {full_name(name) for node in flat.graph_def.node for name in node.input} | {*tf.nest.flatten(flat.outputs)}
    for name in flat.lost_gradients:
        # IdentityN of a custom gradient has the function's arguments, which nothing uses, beside its results.
        inputs = [full_name(one) for one in nodes[name].input if not one.startswith("^")] if name in nodes else []
        results = [one for number, one in enumerate(inputs) if f"{name}:{number}" in used]
        if not _raises(nodes, results, set(inputs) - set(results)):
            continue
        for number, dtype in enumerate(nodes[name].attr["T"].list.type):
            stop = flat.graph_def.node.add(name=f"{name}/no_gradient_{number}", op="StopGradient")
            stop.attr["T"].type = dtype
            stop.input.append(nodes[name].input[number])
            nodes[name].input[number] = stop.name


def _raises(nodes: Mapping[str, Any], tensors: Iterable[str], arguments: Container[str]) -> bool:
    """Return whether tensors are computed from arguments by an op that has no gradient."""
    stack, seen = list(tensors), set[str]()
    while stack:
        name = stack.pop()
        node = nodes.get(name.partition(":")[0])
        if node is None or name in seen or name in arguments:
            continue
        seen.add(name)
        inputs = [full_name(other) for other in node.input if not other.startswith("^")]
        if inputs and (node.op == "PreventGradient" or not _is_registered(node.op)):
            return True
        # Of the others, None is registered for those that end gradients.
        stack.extend(inputs if _has_gradient(node) else [])
    return False


def lost_gradients_note(flat: FlatGraph, variables: Mapping[str, tf.Variable]) -> tuple[str, list[str]]:
    """Return a sentence about the gradients that were lost in a flat graph, and the variables that none reaches.

    Returns:
        An empty sentence if there was no custom gradient; the names of variables, trainable ones that the outputs
        depend on.
    """
    if not flat.lost_gradients:
        return "", []
    reached = _upstream(flat, differentiable=True)
    missed = [
        name
        for name, variable in variables.items()
        if variable.trainable and id(variable.handle) in _upstream(flat, differentiable=False) - reached
    ]
    note = "The format tf1-hub does not store gradients of tf.custom_gradient: training uses the plain ones instead."
    if missed:
        shown = ", ".join(missed[:8]) + (f" and {len(missed) - 8} more" if len(missed) > 8 else "")
        note = f"The format tf1-hub does not store gradients of tf.custom_gradient: none reaches the variables {shown}."
    return note, missed


def _upstream(flat: FlatGraph, *, differentiable: bool) -> set[int]:
    """Return the ids of the captured tensors that outputs depend on, on paths that let gradients through if asked."""
    nodes = {node.name: node for node in flat.graph_def.node}
    found: set[int] = set()
    seen: set[str] = set()
    stack = list(tf.nest.flatten(flat.outputs))
    while stack:
        name = stack.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in flat.captures:
            found.add(id(flat.captures[name]))
            continue
        node = nodes[name.partition(":")[0]]
        if differentiable and not _has_gradient(node):
            continue
        inputs = [full_name(other) for other in node.input if not other.startswith("^")]
        # IdentityN of a custom gradient has the function's arguments beside its results.
        stack.extend([inputs[int(name.rpartition(":")[2])]] if node.op == "IdentityN" else inputs)
    return found


def _has_gradient(node: Any) -> bool:
    if node.op in _FLAT or (node.op == "Cast" and not tf.as_dtype(node.attr["DstT"].type).is_floating):
        return False
    return _is_registered(node.op) and ops.gradient_registry.lookup(node.op) is not None


def _is_registered(op: str) -> bool:
    return op in ops.gradient_registry.list()
