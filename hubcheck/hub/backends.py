"""Load modules behind one interface: TF2 objects, and graphs of TensorFlow 1 from both formats."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf
from google.protobuf import text_format
from tensorflow.core.protobuf import saved_model_pb2

from hubcheck.hub.inputs import graph_feeds, to_tensors
from hubcheck.hub.spec import TRAIN, ModuleSpec
from hubcheck.module.types import Signature, Variant


def load(spec: ModuleSpec, variant: Variant, tags: frozenset[str], *, trainable: bool) -> ObjectBackend | GraphBackend:
    """Load a variant of a module.

    Raises:
        ValueError: it is a Keras 2 model, which needs tf_keras.
    """
    # Variables belong to the module, not to a function that is being traced.
    with tf.init_scope():
        if spec.facts.format != "tf2-saved-model":
            return GraphBackend(load_v1_graph(spec.path, variant.tags), variant, updates=trainable)
        try:
            loaded = tf.saved_model.load(str(spec.path), tags=list(variant.tags))
        except AttributeError as error:
            if "add_slot" not in str(error):  # the error for Keras 2 models that were saved with an optimizer
                raise
            message = f"{spec.path} is a Keras 2 model with an optimizer: import tf_keras before loading it"
            raise ValueError(message) from error
    return ObjectBackend(loaded, spec, training=tags == TRAIN and tags != frozenset(variant.tags))


@tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
def call(
    spec: ModuleSpec,
    backend: ObjectBackend | GraphBackend,
    tags: frozenset[str],
    inputs: Any,
    name: str | None,
    as_dict: bool | None,
) -> Any:
    """Apply a signature, as `hub.Module.__call__` documents.

    A function of its own, because AutoGraph would rewrite the method when a caller's tf.function calls it.
    """
    signature = spec.signature(name, tags)
    outputs = backend.apply(signature, to_tensors(inputs, signature))
    if as_dict:
        return outputs
    if "default" in outputs:
        return outputs["default"]
    if signature.key == spec.facts.default_signature and len(outputs) == 1:
        return next(iter(outputs.values()))
    raise TypeError(f"There is no output named 'default', only {', '.join(sorted(outputs))}. Use as_dict=True.")


class ObjectBackend:
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
        # hubcheck.author writes a callable for each task, by the name of its signature.
        function = self._loaded if signature.key == self._default else getattr(self._loaded, signature.key, None)
        if not callable(function):
            raise ValueError(
                f"Signature {signature.key!r} has no training graph in this TF2 module: the default one has, "
                'with tags={"train"}'
            )
        return {"default": function(*inputs.values(), training=True)}


class GraphBackend:
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
            fetches["\0updates"] = list(self.updates_of(feeds))
        return self._loaded.prune(feeds, fetches)

    def updates_of(self, feeds: list[str]) -> Iterator[Any]:
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


def load_v1_graph(folder: Path, tags: Iterable[str]) -> Any:
    """Load one graph of a module and restore its variables.

    TensorFlow's loader makes a function of every signature, which takes longer than all else and fails if an input is
    called `in`. So it loads a copy of the proto without signatures, beside links to the module's other files.

    Returns:
        What `tf.saved_model.load` returns for graphs of TensorFlow 1. It has `graph`, `variables` (resource variables
        only) and `prune`, which makes a function of a part of the graph.
    """
    wanted = set(tags)
    if (binary := folder / "saved_model.pb").exists():
        proto = saved_model_pb2.SavedModel.FromString(binary.read_bytes())
    else:
        text = (folder / "saved_model.pbtxt").read_text(encoding="utf-8")
        proto = text_format.Parse(text, saved_model_pb2.SavedModel())
    kept = [meta for meta in proto.meta_graphs if set(meta.meta_info_def.tags) == wanted]
    for meta in kept:
        meta.ClearField("signature_def")
    copy = tempfile.TemporaryDirectory(prefix="hubcheck-")
    root = Path(copy.name)
    version = proto.saved_model_schema_version
    part = saved_model_pb2.SavedModel(saved_model_schema_version=version, meta_graphs=kept)
    (root / "saved_model.pb").write_bytes(part.SerializeToString())
    for name in ("variables", "assets", "assets.extra"):
        if (folder / name).exists():
            (root / name).symlink_to((folder / name).resolve())
    loaded = tf.saved_model.load(str(root), tags=sorted(wanted))
    weakref.finalize(loaded, copy.cleanup)  # the graph may read its assets at any time
    return loaded


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
