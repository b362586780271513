"""Loaded modules behind one interface: restored TF2 objects, and graphs of TensorFlow 1."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import tensorflow as tf

from hubcheck.hub.inputs import graph_feeds, select_output, to_tensors
from hubcheck.hub.spec import TRAIN, ModuleSpec
from hubcheck.hub.v1_graph import load_v1_graph
from hubcheck.module.types import Signature, Variant

_KERAS_2_ERROR = "add_slot"
"""Part of the message of the AttributeError for Keras 2 models that were saved with an optimizer."""


class Backend(Protocol):
    """A loaded module."""

    variables: list[Any]
    trainable_variables: list[Any]
    regularization_losses: list[Callable[[], Any]]

    def apply(self, signature: Signature, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Return all outputs of a signature."""


def load(spec: ModuleSpec, variant: Variant, tags: frozenset[str], *, trainable: bool) -> Backend:
    """Load a variant of a module.

    Raises:
        ValueError: it is a Keras 2 model, which needs tf_keras.
    """
    # Variables belong to the module, not to a function that is being traced.
    with tf.init_scope():
        if spec.facts.format != "tf2-saved-model":
            return _GraphBackend(load_v1_graph(spec.path, variant.tags), variant, updates=trainable)
        try:
            loaded = tf.saved_model.load(str(spec.path), tags=list(variant.tags))
        except AttributeError as error:
            if _KERAS_2_ERROR not in str(error):
                raise
            message = f"{spec.path} is a Keras 2 model with an optimizer: import tf_keras before loading it"
            raise ValueError(message) from error
    return _ObjectBackend(loaded, spec, training=tags == TRAIN and tags != frozenset(variant.tags))


@tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
def call(
    spec: ModuleSpec, backend: Backend, tags: frozenset[str], inputs: Any, signature: str | None, as_dict: bool | None
) -> Any:
    """Apply a signature, as `hub.Module.__call__` documents.

    A function of its own, because AutoGraph would rewrite the method when a caller's tf.function calls it.
    """
    chosen = spec.signature(signature, tags)
    outputs = backend.apply(chosen, to_tensors(inputs, chosen))
    return select_output(outputs, as_dict, default_signature=chosen.key == spec.facts.default_signature)


class _ObjectBackend:
    """A restored TF2 object; `training` calls it with training=True instead of applying a signature."""

    def __init__(self, loaded: Any, spec: ModuleSpec, *, training: bool) -> None:
        self._loaded = loaded
        self._default = spec.facts.default_signature
        self._training = training
        # A restored object need not list its variables: then they are those that its signatures use.
        used = {id(variable): variable for function in loaded.signatures.values() for variable in function.variables}
        self.variables = list(_attribute(loaded, "variables", used.values()))
        trainable = [variable for variable in self.variables if variable.trainable]
        self.trainable_variables = list(_attribute(loaded, "trainable_variables", trainable))
        self.regularization_losses = list(_attribute(loaded, "regularization_losses", []))

    def apply(self, signature: Signature, inputs: Mapping[str, Any]) -> dict[str, Any]:
        if not self._training:
            return dict(self._loaded.signatures[signature.key](**inputs))
        if signature.key != self._default:
            raise ValueError(
                f"Signature {signature.key!r} has no training graph in a TF2 module: only the default one has, "
                'with tags={"train"}'
            )
        return {"default": self._loaded(*inputs.values(), training=True)}


class _GraphBackend:
    """A graph of TensorFlow 1."""

    def __init__(self, loaded: Any, variant: Variant, *, updates: bool) -> None:
        self._loaded = loaded
        self._variant = variant
        self._updates = updates
        self._functions: dict[str, Any] = {}
        self.variables = list(loaded.variables)
        self.trainable_variables = [variable for variable in self.variables if variable.trainable]
        self.regularization_losses = [
            loaded.prune([], loss) for loss in _collection(variant, tf.compat.v1.GraphKeys.REGULARIZATION_LOSSES)
        ]

    def apply(self, signature: Signature, inputs: Mapping[str, Any]) -> dict[str, Any]:
        feeds = graph_feeds(inputs, signature)
        if signature.key not in self._functions:
            with tf.init_scope():
                self._functions[signature.key] = self._pruned(signature, list(feeds))
        results = self._functions[signature.key](*feeds.values())
        return {key: _from_components(tensor.encoding, results[key]) for key, tensor in signature.outputs.items()}

    def _pruned(self, signature: Signature, feeds: list[str]) -> Any:
        fetches: dict[str, Any] = {key: list(tensor.components) for key, tensor in signature.outputs.items()}
        if self._updates:
            fetches["\0updates"] = list(self._updates_of(feeds))
        return self._loaded.prune(feeds, fetches)

    def _updates_of(self, feeds: list[str]) -> Iterator[Any]:
        """Yield the update ops that depend on the fed inputs, and on no other input."""
        graph = self._loaded.graph
        fed = {graph.get_tensor_by_name(name).op for name in feeds}
        others = {
            graph.get_tensor_by_name(name).op
            for other in self._variant.signatures.values()
            for tensor in other.inputs.values()
            for name in tensor.components
        } - fed
        for name in _collection(self._variant, tf.compat.v1.GraphKeys.UPDATE_OPS):
            element = graph.as_graph_element(name)
            op = element if isinstance(element, tf.Operation) else element.op
            upstream = _upstream_ops(op)
            if upstream & fed and not upstream & others:
                yield op


def _collection(variant: Variant, collection: str) -> list[str]:
    nodes = variant.collections.get(collection)
    return list(nodes.node_list.value) if nodes is not None else []


def _upstream_ops(op: Any) -> set[Any]:
    seen, stack = set(), [op]
    while stack:
        current = stack.pop()
        if current not in seen:
            seen.add(current)
            stack.extend(tensor.op for tensor in current.inputs)
            stack.extend(current.control_inputs)
    return seen


def _from_components(encoding: str, parts: list[Any]) -> Any:
    if encoding == "sparse":
        return tf.SparseTensor(*parts)
    return parts[0] if len(parts) == 1 else parts


def _attribute(loaded: Any, name: str, default: Any) -> Any:
    value = getattr(loaded, name, None)
    return default if value is None else value
