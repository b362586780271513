"""What a consumer of a module can run, from the facts of the module: the roots of reachability."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from hubcheck.graph.dataflow.reach import SAVER, Root
from hubcheck.graph.dataflow.view import GraphView
from hubcheck.graph.path_origin import CallBinding, PathOrigin
from hubcheck.module.proto import parse_collection
from hubcheck.module.types import Module, ObjectGraph, Variant

_INIT_COLLECTIONS = ("saved_model_main_op", "legacy_init_op", "table_initializer")
_CONSUMER_COLLECTIONS = ("update_ops", "regularization_losses")


def consumer_roots(module: Module, variant: Variant, answering: Collection[str]) -> list[Root]:
    """Return what a consumer of a variant can run: signatures, functions, init ops, the saver.

    `answering` are the keys of the signatures whose results the convention is about.
    """
    return sorted(_roots(module, variant, answering), key=lambda root: (root.feeds, not root.answers))


def _roots(module: Module, variant: Variant, answering: Collection[str]) -> Iterator[Root]:
    for key, signature in variant.signatures.items():
        for tensor in signature.outputs.values():
            for component in tensor.components:
                yield Root(f'signature "{key}"', node=component, answers=key in answering)
    updates = set(training_updates(module, variant))
    for name in _CONSUMER_COLLECTIONS:
        for node in _collection(variant, name):
            yield Root(f'collection "{name}"', node=node, answers=node in updates)
    if module.objects is not None:
        yield from _exposed(module.objects)
    for gradient in variant.graph.library.registered_gradients:
        yield Root(f'the gradient of "{gradient.registered_op_type}"', function=gradient.gradient_func)
    if variant.init_op is not None:
        yield Root("the init op", node=variant.init_op, feeds=True)
    # TF2's loader initializes the local variables of a TF1 SavedModel without an init op: see load_v1_in_v2.py.
    local = filter(None, parse_collection(variant.collections, "local_variables", "VariableDef"))
    nodes = [node for name in _INIT_COLLECTIONS for node in _collection(variant, name)]
    for node in (*nodes, *(definition.initializer_name for definition in local)):
        yield Root("the init op", node=node, feeds=True)
    saver = variant.saver
    for node in (saver.restore_op_name, saver.save_tensor_name, saver.filename_tensor_name):
        if node:
            yield Root(SAVER, node=node, feeds=True)


def training_updates(module: Module, variant: Variant) -> Iterator[str]:
    """Yield the nodes that a consumer runs in each step of training, beside the outputs."""
    if variant is not module.inference:
        yield from _collection(variant, "update_ops")


def _collection(variant: Variant, name: str) -> Iterator[str]:
    if name in variant.collections:
        yield from variant.collections[name].node_list.value


def _exposed(objects: ObjectGraph) -> Iterator[Root]:
    """Yield every function of the object graph, named by its attribute of the restored object."""
    names = _names(objects)
    labels: dict[str, str] = {}
    for number, node in enumerate(objects.proto.nodes):
        for function in (*node.function.concrete_functions, node.bare_concrete_function.concrete_function_name):
            labels.setdefault(function, f'function "{names.get(number, function)}" of the restored object')
        labels.setdefault(node.captured_tensor.concrete_function, "a captured tensor of the restored object")
    for function in objects.proto.concrete_functions:
        labels.setdefault(function, f'function "{function}" of the restored object')
    labels.pop("", None)
    answering = {trace.function for trace in objects.traces}
    for function, label in sorted(labels.items()):
        yield Root(label, function=function, answers=function in answering)


def _names(objects: ObjectGraph) -> dict[int, str]:
    """Return the shortest path of each object from the root: "encoder.layers.0"."""
    nodes = objects.proto.nodes
    names = {0: ""}
    waiting = [0] if nodes else []
    for number in waiting:
        for child in nodes[number].children:
            if child.node_id not in names and 0 <= child.node_id < len(nodes):
                names[child.node_id] = f"{names[number]}.{child.local_name}".removeprefix(".")
                waiting.append(child.node_id)
    return names


def call_bindings(objects: ObjectGraph, view: GraphView) -> dict[str, CallBinding]:
    """Return how the restored object calls its functions: arguments from the caller, then what it holds bound."""
    nodes = objects.proto.nodes
    bindings: dict[str, CallBinding] = {}
    for name, concrete in objects.proto.concrete_functions.items():
        body = view.function(name)
        if body is None:
            continue
        bound: list[PathOrigin] = [
            "asset" if 0 <= number < len(nodes) and nodes[number].WhichOneof("kind") == "asset" else "graph"
            for number in concrete.bound_inputs
        ]
        given: list[PathOrigin] = ["caller"] * (body.arguments - len(bound))
        bindings[name] = [*given, *bound]
    return bindings
