"""A traced function as one flat graph: calls are inlined, and outputs do not wait for variable updates.

Consumers of the TF1 Hub format cannot differentiate function calls, and run the updates of batch normalization
from a collection of their own, or not at all.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
from tensorflow.python.framework import convert_to_constants, function_def_to_graph, op_def_registry

VARIABLE_WRITES = frozenset({"AssignVariableOp", "AssignAddVariableOp", "AssignSubVariableOp"})
"""The ops by which a function updates a variable as a whole."""

_CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})
_CONTROL_FLOW = frozenset({"If", "StatelessIf", "While", "StatelessWhile", "Case", "StatelessCase"})
_READS = frozenset({"ReadVariableOp", "Placeholder", "VarHandleOp", "Const"})
_FLOATS = {dtype.as_datatype_enum for dtype in (tf.float16, tf.bfloat16, tf.float32, tf.float64)}
_DROPPED_ATTRIBUTES = ("_class", "_acd_function_control_output", "_has_manual_control_dependencies")


@dataclass(frozen=True)
class FlatGraph:
    """A graph without calls.

    `inputs` are the names of its arguments' tensors; `captures` maps the tensors of the other placeholders to the
    captured tensors; `outputs` has the structure of the function's result, with tensor names; `updates` are the
    names of the nodes that update variables and that no output waits for; `lost_gradients` are the names of the nodes
    whose gradients, of tf.custom_gradient, were removed.
    """

    graph_def: Any
    inputs: tuple[str, ...]
    captures: Mapping[str, Any]
    outputs: Any
    updates: tuple[str, ...]
    lost_gradients: tuple[str, ...] = ()


def flatten(function: Any, *, v1_control_flow: bool = False, keep_gradients: bool = False) -> FlatGraph:
    """Flatten a concrete function.

    Args:
        v1_control_flow: write conditionals and loops as Switch, Merge and the like, which TensorFlow 1 can read.
        keep_gradients: keep the gradients of tf.custom_gradient, which are registered in this process only.
    """
    graph = function.graph
    graph_def = graph.as_graph_def()
    if v1_control_flow and any(node.op in _CONTROL_FLOW for node in all_nodes(graph_def)):
        graph_def = convert_to_constants._run_inline_graph_optimization(
            function, lower_control_flow=True, aggressive_inlining=True
        )
    for library_function in graph_def.library.function:
        library_function.attr.pop("api_implements", None)
    functions = {definition.signature.name: definition for definition in graph_def.library.function}
    nodes = list(graph_def.node)
    renamed: dict[str, str] = {}
    with tf.Graph().as_default():
        # Bodies are converted in a graph that has the functions they call.
        tf.graph_util.import_graph_def(tf.compat.v1.GraphDef(library=graph_def.library), name="")
        while any(_callee(node, functions) for node in nodes):
            nodes = [inlined for node in nodes for inlined in _inlined(node, functions, renamed)]
            for node in nodes:
                node.input[:] = [_resolved(name, renamed) for name in node.input]
    captures = {
        placeholder.name: external
        for external, placeholder in zip(graph.external_captures, graph.internal_captures, strict=True)
    }
    updates = _release_updates(nodes)
    flat = tf.compat.v1.GraphDef(versions=graph_def.versions)
    flat.node.extend(nodes)
    _add_library(flat, functions)
    lost = []
    for node in all_nodes(flat):
        for name in _DROPPED_ATTRIBUTES:
            node.attr.pop(name, None)
        # Gradients registered in this process are unknown to consumers; that of IdentityN, the plain one, is not.
        gradient = node.attr["_gradient_op_type"].s
        is_custom = gradient.startswith(b"CustomGradient-")
        if not gradient or (is_custom and not keep_gradients):
            node.attr.pop("_gradient_op_type", None)
            lost += [node.name] if is_custom else []
    inputs = tuple(tensor.name for tensor in graph.inputs if tensor.name not in captures)
    names = iter([_resolved(tensor.name, renamed) for tensor in graph.outputs])
    # An operation, which a graph of TensorFlow 1 can be asked for, is no output.
    outputs = tf.nest.map_structure(
        lambda output: output if output is None else next(names), function.structured_outputs
    )
    return FlatGraph(flat, inputs, captures, outputs, tuple(updates), tuple(lost))


def import_nodes(
    graph_def: Any, names: Container[str], feeds: Mapping[str, tf.Tensor], fetches: Sequence[str]
) -> list[Any]:
    """Import nodes into the current graph and return the fetched tensors and operations.

    Args:
        names: the names of the nodes to import.
        feeds: tensors of the current graph to use instead of tensors of `graph_def`, by their full names.
        fetches: full names of tensors, and names of operations.
    """
    part = tf.compat.v1.GraphDef(versions=graph_def.versions, library=graph_def.library)
    part.node.extend(node for node in graph_def.node if node.name in names)
    used = {full_name(name) for node in part.node for name in node.input}
    wanted = [name for name in fetches if name not in feeds]
    input_map = {name: tensor for name, tensor in feeds.items() if name in used}
    imported = tf.graph_util.import_graph_def(part, input_map, wanted, name="")
    found = {**feeds, **dict(zip(wanted, imported, strict=True))}
    return [found[name] for name in fetches]


def all_nodes(graph_def: Any) -> Iterator[Any]:
    """Yield the nodes of the graph and of its library functions."""
    yield from graph_def.node
    for function in graph_def.library.function:
        yield from function.node_def


def full_name(name: str) -> str:
    """Return the full name of a tensor: "scores" is short for "scores:0". Control inputs ("^name") are unchanged."""
    return name if ":" in name or name.startswith("^") else f"{name}:0"


def _callee(node: Any, functions: Mapping[str, Any]) -> str | None:
    """Return the name of the library function that the node calls, None if it is not a plain call."""
    if node.op in _CALLS:
        return str(node.attr["f"].func.name)
    return str(node.op) if node.op in functions else None


def _inlined(call: Any, functions: Mapping[str, Any], renamed: dict[str, str]) -> Iterator[Any]:
    """Yield the nodes of a call's function, prefixed by the call's name, and a NoOp named as the call to wait for.

    Other nodes are unchanged. Adds to `renamed` which tensors replace the call's outputs.
    """
    callee = _callee(call, functions)
    if callee is None:
        yield call
        return
    definition = functions[callee]
    body, tensors = function_def_to_graph.function_def_to_graph_def(definition, include_library_functions=False)
    data = [name for name in call.input if not name.startswith("^")]
    control = [name for name in call.input if name.startswith("^")]
    arguments = dict(zip((arg.name for arg in definition.signature.input_arg), data, strict=True))
    for node in body.node:
        if node.name in arguments:
            continue
        inputs = []
        for name in node.input:
            source, caret = name.removeprefix("^").partition(":")[0], "^" if name.startswith("^") else ""
            if source not in arguments:
                inputs.append(f"{caret}{call.name}/{name.removeprefix('^')}")
            elif not caret:
                inputs.append(arguments[source])
        node.input[:] = _data_first(inputs, control)
        node.name = f"{call.name}/{node.name}"
        yield node
    for index, output in enumerate(definition.signature.output_arg):
        returned = tensors[definition.ret[output.name]]
        renamed[f"{call.name}:{index}"] = arguments.get(returned.partition(":")[0], f"{call.name}/{returned}")
    wait = tf.compat.v1.NodeDef(name=call.name, op="NoOp")
    wait.input.extend(_data_first([f"^{call.name}/{name}" for name in definition.control_ret.values()], control))
    yield wait


def _data_first(inputs: list[str], control: list[str]) -> list[str]:
    """Return the data inputs, then each control input once: the order that NodeDef requires."""
    return [
        *(name for name in inputs if not name.startswith("^")),
        *dict.fromkeys(name for name in (*inputs, *control) if name.startswith("^")),
    ]


def _resolved(name: str, renamed: Mapping[str, str]) -> str:
    """Return the tensor that replaces an output of an inlined call; other names are unchanged."""
    while (full := full_name(name)) in renamed:
        name = renamed[full]
    return name


def _release_updates(nodes: list[Any]) -> list[str]:
    """Remove the control edges by which outputs wait for updates; return the names of the updates.

    Stateful nodes keep waiting: a read after an update must see it. Counters and seeds of random numbers, which are
    integers, stay coupled to the outputs: dropout would repeat its mask otherwise.
    """
    by_name = {node.name: node for node in nodes}
    updates = {node.name for node in nodes if node.op in VARIABLE_WRITES and node.attr["dtype"].type in _FLOATS}

    def awaited(names: Sequence[str]) -> Iterator[str]:
        """Yield what remains to wait for, through NoOps that only group other nodes."""
        stack, seen = [*reversed(names)], set()
        while stack:
            current = stack.pop()
            node = by_name.get(current)
            if current in seen or current in updates or node is None or node.op in _READS:
                continue
            seen.add(current)
            if node.op == "NoOp":
                stack.extend(other.removeprefix("^") for other in node.input)
            else:
                yield current

    for node in nodes:
        control = [name[1:] for name in node.input if name.startswith("^")]
        op = op_def_registry.get(node.op)
        if control and node.op != "NoOp" and op is not None and not op.is_stateful:
            data = [name for name in node.input if not name.startswith("^")]
            node.input[:] = [*data, *(f"^{name}" for name in awaited(control))]
    return sorted(updates)


def _add_library(flat: Any, functions: Mapping[str, Any]) -> None:
    """Add the functions that are still used: branches and bodies of control flow."""
    needed: dict[str, None] = {}
    stack = [*flat.node]
    while stack:
        node = stack.pop()
        names = [value.func.name for value in node.attr.values() if value.HasField("func")]
        names += [func.name for value in node.attr.values() for func in value.list.func]
        for name in (*names, node.op):
            if name in functions and name not in needed:
                needed[name] = None
                stack.extend(functions[name].node_def)
    for name in needed:
        flat.library.function.add().CopyFrom(functions[name])
