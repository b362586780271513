"""Write TF1 Hub format: one graph for inference, one for training, and a checkpoint of named variables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf
from google.protobuf import any_pb2
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

from hubcheck.author.definition import LABELS
from hubcheck.author.errors import AuthorError
from hubcheck.author.flat_graph import FlatGraph, all_nodes, flatten, import_nodes
from hubcheck.author.writers.captures import captured_variables, regularizers, unique_names
from hubcheck.author.writers.tf1_variables import Variables
from hubcheck.author.writers.tracing import TracedModule
from hubcheck.module.proto import message_class

_KEYS = tf.compat.v1.GraphKeys
_DEFAULT_SIGNATURE, _TRAIN = "default", "train"
_ASSET = "SAVEDMODEL-ASSET"
_UNKNOWN_TO_TF1 = {"VarHandleOp": ("debug_name",), "AssignVariableOp": ("validate_shape",)}


def write(module: TracedModule, folder: Path, *, tf1_compat: bool = False) -> None:
    """Write the module into an empty folder."""
    # Inference's variables first: those that only training uses (seeds) come after them.
    variables = captured_variables(*module.traces.values())
    losses = [
        tf.function(loss).get_concrete_function()
        for loss in regularizers(module.definition, [variable for variable in variables if variable.trainable])
    ]
    variables = captured_variables(*module.traces.values(), *losses)
    named = Variables(variables, unique_names(variables))
    proto = saved_model_pb2.SavedModel()
    for training, trace in module.traces.items():
        meta = _meta_graph(module, trace, named, losses, tf1_compat=tf1_compat)
        if training:
            meta.meta_info_def.tags.append(_TRAIN)
        if tf1_compat:
            for node in all_nodes(meta.graph_def):
                for name in _UNKNOWN_TO_TF1.get(node.op, ()):
                    node.attr.pop(name, None)
        proto.meta_graphs.append(meta)
    if variables:
        named.save(folder / "variables")
    if module.definition.classes:
        (folder / "assets").mkdir()
        module.write_labels(folder / "assets")
    (folder / "saved_model.pb").write_bytes(proto.SerializeToString(deterministic=True))
    module_def = message_class("ModuleDef")
    (folder / "tfhub_module.pb").write_bytes(module_def(format=module_def.FORMAT_V3).SerializeToString())


def _meta_graph(
    module: TracedModule, trace: Any, variables: Variables, losses: Sequence[Any], *, tf1_compat: bool
) -> Any:
    with tf.Graph().as_default() as graph:
        handles = variables.create()
        spec = module.images
        images = tf.compat.v1.placeholder(spec.dtype, spec.shape, name=spec.name)
        results, updates = _import(flatten(trace, v1_control_flow=tf1_compat), [images], handles)
        results = tf.nest.map_structure(_with_shape, results, trace.structured_outputs)
        for update in updates:
            graph.add_to_collection(_KEYS.UPDATE_OPS, update)
        for loss in losses:
            tensor, _ = _import(flatten(loss), [], handles)
            graph.add_to_collection(_KEYS.REGULARIZATION_LOSSES, tensor)
        if module.definition.classes:
            labels = tf.constant(_ASSET, name="labels")
            graph.add_to_collection(_KEYS.ASSET_FILEPATHS, labels)
        meta = tf.compat.v1.train.export_meta_graph(strip_default_attrs=True)
    variables.declare(meta)
    for name, outputs in (*results.items(), (_DEFAULT_SIGNATURE, results[module.default])):
        signature = meta.signature_def[name]
        signature.inputs[spec.name].CopyFrom(_tensor_info(images))
        for key, tensor in outputs.items():
            signature.outputs[key].CopyFrom(_tensor_info(tensor))
    _attach_image_size(meta, module.definition.image_size)
    if module.definition.classes:
        asset = meta_graph_pb2.AssetFileDef(filename=LABELS)
        asset.tensor_info.name = labels.name
        packed = any_pb2.Any()
        packed.Pack(asset)
        meta.collection_def["saved_model_assets"].any_list.value.append(packed)
    return meta


def _with_shape(tensor: tf.Tensor, traced: Any) -> tf.Tensor:
    """Return the tensor with the shape it was traced with, which Merge and Exit nodes lose."""
    return tensor if tensor.shape.is_subtype_of(traced.shape) else tf.ensure_shape(tensor, traced.shape)


def _tensor_info(tensor: tf.Tensor) -> Any:
    return meta_graph_pb2.TensorInfo(
        name=tensor.name, dtype=tensor.dtype.as_datatype_enum, tensor_shape=tensor.shape.as_proto()
    )


def _import(flat: FlatGraph, arguments: Sequence[tf.Tensor], handles: dict[int, tf.Tensor]) -> tuple[Any, list[Any]]:
    """Import a flat graph into the current one; return its outputs and its update ops."""
    feeds = dict(zip(flat.inputs, arguments, strict=True))
    for name, external in flat.captures.items():
        feeds[name] = handles[id(external)] if id(external) in handles else _constant(external)
    names = {node.name for node in flat.graph_def.node} - {name.partition(":")[0] for name in feeds}
    outputs = tf.nest.flatten(flat.outputs)
    imported = import_nodes(flat.graph_def, names, feeds, [*outputs, *flat.updates])
    return tf.nest.pack_sequence_as(flat.outputs, imported[: len(outputs)]), imported[len(outputs) :]


def _constant(external: Any) -> tf.Tensor:
    if external.dtype in (tf.resource, tf.variant):
        raise AuthorError(
            "the module uses a lookup table or another resource that is not a variable, which format 'tf1-hub' does "
            "not support: use format='tf2', or compute the same without it"
        )
    return tf.constant(external.numpy())


def _attach_image_size(meta: Any, size: tuple[int, int]) -> None:
    """Attach the ImageModuleInfo that `hub.get_expected_image_size` of the original library reads."""
    info = message_class("ImageModuleInfo")()
    info.default_image_size.height, info.default_image_size.width = size
    attachment = message_class("ModuleAttachment")(key="image_module_info", value=info.SerializeToString())
    meta.collection_def["hub_module_attachments"].bytes_list.value.append(attachment.SerializeToString())
