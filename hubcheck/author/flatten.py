"""A traced function as one flat graph: calls are inlined, and variable updates are free of what the outputs need.

The TF1 Hub format knows no calls that consumers of its time can differentiate, and keeps updates (batch
normalisation's) in a collection of their own, to be run or not as the consumer likes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
from tensorflow.python.framework import convert_to_constants, function_def_to_graph, op_def_registry

from hubcheck.author.errors import AuthorError
from hubcheck.author.tracing import WRITES

_CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})
_CONTROL_FLOW = frozenset({"If", "StatelessIf", "While", "StatelessWhile", "Case", "StatelessCase"})
_READS = frozenset({"ReadVariableOp", "Placeholder", "VarHandleOp", "Const"})
_DROPPED_ATTRIBUTES = ("_class", "_acd_function_control_output", "_has_manual_control_dependencies")
_DEPTH = 200


@dataclass(frozen=True)
class FlatGraph:
    """A graph without calls.

    `inputs` are the names of its arguments' tensors; `captures` maps the other placeholders' tensors to what
    they stand for outside; `outputs` has the structure of the function's result, with tensor names; `updates`
    are the names of the nodes that change variables and that no output waits for.
    """

    graph_def: Any
    inputs: tuple[str, ...]
    captures: Mapping[str, Any]
    outputs: Any
    updates: tuple[str, ...]


def flatten(function: Any, *, v1_control_flow: bool = False) -> FlatGraph:
    """Flatten a concrete function.

    Args:
        v1_control_flow: write conditionals and loops as Switch, Merge and the like, which all readers know.

    Raises:
        AuthorError: it calls itself.
    """
    graph = function.graph
    graph_def = graph.as_graph_def()
    if v1_control_flow and _has_control_flow(graph_def):
        graph_def = convert_to_constants._run_inline_graph_optimization(
            function, lower_control_flow=True, aggressive_inlining=True
        )
    for library_function in graph_def.library.function:
        library_function.attr.pop("api_implements", None)
    functions = {definition.signature.name: definition for definition in graph_def.library.function}
    nodes = list(graph_def.node)
    renamed: dict[str, str] = {}
    with tf.Graph().as_default():
        # Bodies are converted in a graph that knows the functions they call.
        tf.graph_util.import_graph_def(tf.compat.v1.GraphDef(library=graph_def.library), name="")
        for _ in range(_DEPTH):
            if not any(_called(node, functions) for node in nodes):
                break
            nodes = _inline_once(nodes, functions, renamed)
        else:
            raise AuthorError("a function of the module calls itself: format 'tf1-hub' cannot hold it; use 'tf2'")
    captures = {
        placeholder.name: external
        for external, placeholder in zip(graph.external_captures, graph.internal_captures, strict=True)
    }
    updates = _release_updates(nodes)
    for node in nodes:
        _clean(node)
    flat = tf.compat.v1.GraphDef()
    flat.versions.CopyFrom(graph_def.versions)
    flat.node.extend(nodes)
    _add_library(flat, functions)
    inputs = tuple(tensor.name for tensor in graph.inputs if tensor.name not in captures)
    outputs = tf.nest.map_structure(lambda tensor: _follow(tensor.name, renamed), function.structured_outputs)
    outputs = tf.nest.pack_sequence_as(outputs, [_follow(tensor.name, renamed) for tensor in graph.outputs])
    return FlatGraph(flat, inputs, captures, outputs, tuple(updates))


def _has_control_flow(graph_def: Any) -> bool:
    nodes = [*graph_def.node, *(node for function in graph_def.library.function for node in function.node_def)]
    return any(node.op in _CONTROL_FLOW for node in nodes)


def _called(node: Any, functions: Mapping[str, Any]) -> str | None:
    """The library function that the node is a plain call of."""
    if node.op in _CALLS:
        return str(node.attr["f"].func.name)
    return str(node.op) if node.op in functions else None


def _inline_once(nodes: list[Any], functions: Mapping[str, Any], renamed: dict[str, str]) -> list[Any]:
    """Replace every call by the body of its function; `renamed` collects what became of the calls' outputs."""
    result = []
    here: dict[str, str] = {}
    for node in nodes:
        name = _called(node, functions)
        if name is None:
            result.append(node)
        else:
            result.extend(_body(node, functions[name], here))
    for node in result:
        node.input[:] = [_follow(name, here) for name in node.input]
    renamed.update(here)
    return result


def _body(call: Any, definition: Any, renamed: dict[str, str]) -> Iterator[Any]:
    """The nodes of a call's function under the call's name, and a NoOp in its place to wait for."""
    body, tensors = function_def_to_graph.function_def_to_graph_def(definition, include_library_functions=False)
    data = [name for name in call.input if not name.startswith("^")]
    control = [name for name in call.input if name.startswith("^")]
    arguments = dict(zip((arg.name for arg in definition.signature.input_arg), data, strict=True))
    for node in body.node:
        if node.name in arguments:
            continue
        inputs = []
        for name in node.input:
            source, mark = name.removeprefix("^").partition(":")[0], "^" if name.startswith("^") else ""
            if source not in arguments:
                inputs.append(f"{mark}{call.name}/{name.removeprefix('^')}")
            elif not mark:
                inputs.append(arguments[source])
        node.input[:] = _ordered(inputs, control)
        node.name = f"{call.name}/{node.name}"
        yield node
    for index, output in enumerate(definition.signature.output_arg):
        returned = tensors[definition.ret[output.name]]
        source = returned.partition(":")[0]
        inside = arguments.get(source, f"{call.name}/{returned}")
        renamed[f"{call.name}:{index}"] = inside
    wait = tf.compat.v1.NodeDef(name=call.name, op="NoOp")
    wait.input.extend(_ordered([f"^{call.name}/{name}" for name in definition.control_ret.values()], control))
    yield wait


def _ordered(inputs: list[str], control: list[str]) -> list[str]:
    return [
        *(name for name in inputs if not name.startswith("^")),
        *dict.fromkeys(name for name in (*inputs, *control) if name.startswith("^")),
    ]


def _follow(name: str, renamed: Mapping[str, str]) -> str:
    """Where a tensor comes from, after its call was inlined; "call" is short for "call:0"."""
    if name.startswith("^"):
        return name
    while (full := name if ":" in name else f"{name}:0") in renamed:
        name = renamed[full]
    return name


def _release_updates(nodes: list[Any]) -> list[str]:
    """Drop the control edges by which outputs wait for updates; return the updates' names.

    Only nodes with a state of their own keep waiting (a read after an update must see it). Counters and seeds
    of random numbers, which are integers, go on advancing with the outputs: a dropout would else repeat itself.
    """
    by_name = {node.name: node for node in nodes}
    updates = {node.name for node in nodes if node.op in WRITES and node.attr["dtype"].type in _FLOATS}

    def awaited(name: str) -> Iterator[str]:
        """What is left to wait for, through NoOps that only gather."""
        stack, seen = [name], set()
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
        if control and node.op != "NoOp" and not _stateful(node.op):
            left = dict.fromkeys(name for waited in control for name in awaited(waited))
            data = [name for name in node.input if not name.startswith("^")]
            node.input[:] = [*data, *(f"^{name}" for name in left)]
    return sorted(updates)


_FLOATS = {dtype.as_datatype_enum for dtype in (tf.float16, tf.bfloat16, tf.float32, tf.float64)}


def _stateful(op: str) -> bool:
    registered = op_def_registry.get(op)
    return registered is None or bool(registered.is_stateful)


def _clean(node: Any) -> None:
    for name in _DROPPED_ATTRIBUTES:
        node.attr.pop(name, None)
    # A gradient registered in this process is not there in a consumer's; the plain gradient of IdentityN is.
    if node.attr["_gradient_op_type"].s.startswith(b"CustomGradient-") or not node.attr["_gradient_op_type"].s:
        node.attr.pop("_gradient_op_type", None)


def _add_library(flat: Any, functions: Mapping[str, Any]) -> None:
    """The functions that are still referred to: branches and bodies of control flow."""
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
        for node in flat.library.function[-1].node_def:
            _clean(node)
