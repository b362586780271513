"""Write TF1 Hub format: one graph for inference, one for training, and a checkpoint of named variables."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf import any_pb2
from tensorflow.core.framework import variable_pb2
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

from hubcheck.author.definition import LABELS
from hubcheck.author.errors import AuthorError, AuthorWarning
from hubcheck.author.flat_graph import FlatGraph, all_nodes, flatten, import_nodes
from hubcheck.author.writers.captures import captured_variables, regularizers, unique_names
from hubcheck.author.writers.depthwise import write_depthwise
from hubcheck.author.writers.gradient_reach import end_lost_gradients, lost_gradients_note
from hubcheck.author.writers.tracing import TracedModule
from hubcheck.module.proto import message_class

_KEYS = tf.compat.v1.GraphKeys
_DEFAULT_SIGNATURE, _TRAIN = "default", "train"
_ASSET = "SAVEDMODEL-ASSET"
_UNKNOWN_TO_TF1 = {"VarHandleOp": ("debug_name",), "AssignVariableOp": ("validate_shape",)}


def write(module: TracedModule, folder: Path, *, tf1_compat: bool = False) -> list[str]:
    """Write the module into an empty folder; return notes about what the format cannot store, and warn of them."""
    # Inference's variables first: those that only training uses (seeds) come after them.
    variables = captured_variables(*module.traces.values())
    losses = [
        tf.function(loss).get_concrete_function()
        for loss in regularizers(module.definition, [variable for variable in variables if variable.trainable])
    ]
    named = unique_names(module.definition, captured_variables(*module.traces.values(), *losses))
    proto = saved_model_pb2.SavedModel()
    notes = []
    for training, trace in module.traces.items():
        flat = flatten(trace, v1_control_flow=tf1_compat)
        end_lost_gradients(flat)
        meta = _meta_graph(module, trace, flat, named, losses)
        if training:
            meta.meta_info_def.tags.append(_TRAIN)
            note, missed = lost_gradients_note(flat, named)
            notes += [note] if note else []
            if missed:
                warnings.warn(note, AuthorWarning, stacklevel=5)
        if tf1_compat:
            for node in all_nodes(meta.graph_def):
                for name in _UNKNOWN_TO_TF1.get(node.op, ()):
                    node.attr.pop(name, None)
        proto.meta_graphs.append(meta)
    if named:
        (folder / "variables").mkdir()
        tf.raw_ops.SaveV2(
            prefix=str(folder / "variables" / "variables"),
            tensor_names=list(named),
            shape_and_slices=[""] * len(named),
            tensors=[variable.read_value() for variable in named.values()],
        )
    if module.definition.classes:
        (folder / "assets").mkdir()
        module.write_labels(folder / "assets")
    (folder / "saved_model.pb").write_bytes(proto.SerializeToString(deterministic=True))
    module_def = message_class("ModuleDef")
    (folder / "tfhub_module.pb").write_bytes(module_def(format=module_def.FORMAT_V3).SerializeToString())
    return notes


def _meta_graph(
    module: TracedModule, trace: Any, flat: FlatGraph, variables: Mapping[str, tf.Variable], losses: Sequence[Any]
) -> Any:
    with tf.Graph().as_default() as graph:
        handles = _create(variables)
        spec = module.images
        images = tf.compat.v1.placeholder(spec.dtype, spec.shape, name=spec.name)
        results, updates = _import(flat, [images], handles)
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
    write_depthwise(meta, graph)
    _declare(meta, variables)
    for name, outputs in (*results.items(), (_DEFAULT_SIGNATURE, results[module.default])):
        signature = meta.signature_def[name]
        signature.inputs[spec.name].CopyFrom(_tensor_info(images))
        for key, tensor in outputs.items():
            signature.outputs[key].CopyFrom(_tensor_info(tensor))
    # The ImageModuleInfo that `hub.get_expected_image_size` of the original library reads.
    info = message_class("ImageModuleInfo")()
    info.default_image_size.height, info.default_image_size.width = module.definition.image_size
    attachment = message_class("ModuleAttachment")(key="image_module_info", value=info.SerializeToString())
    meta.collection_def["hub_module_attachments"].bytes_list.value.append(attachment.SerializeToString())
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


def _create(variables: Mapping[str, tf.Variable]) -> dict[int, tf.Tensor]:
    """Create variables in the current, empty graph; return the handles by the id of the eager variable's handle.

    Creating them by tf.compat.v1.Variable would dominate the time of an export of hundreds of variables.

    Raises:
        AuthorError: the graph cannot have both of two names.
    """
    graph_def = tf.compat.v1.GraphDef()
    graph_def.versions.producer = tf.version.GRAPH_DEF_VERSION
    for name, variable in variables.items():
        graph_def.node.extend(_variable_nodes(variable, name))
    wanted = [f"{name}:0" for name in variables]
    handles = tf.graph_util.import_graph_def(graph_def, return_elements=wanted, name="") if wanted else []
    for handle, name in zip(handles, variables, strict=True):
        if handle.op.name != name:
            raise AuthorError(f"two variables or scopes of the module are named {name!r}: rename one of them")
    return {id(variable.handle): handle for variable, handle in zip(variables.values(), handles, strict=True)}


def _declare(meta: Any, variables: Mapping[str, tf.Variable]) -> None:
    """Add variables to the collections of a MetaGraphDef."""
    for name, variable in variables.items():
        data = variable_pb2.VariableDef(
            variable_name=f"{name}:0",
            initializer_name=f"{name}/Assign",
            initial_value_name=f"{name}/Initializer/zeros:0",
            snapshot_name=f"{name}/Read/ReadVariableOp:0",
            is_resource=True,
            trainable=variable.trainable,
        ).SerializeToString()
        keys = [_KEYS.GLOBAL_VARIABLES, _KEYS.MODEL_VARIABLES]
        for key in [*keys, _KEYS.TRAINABLE_VARIABLES] if variable.trainable else keys:
            meta.collection_def[key].bytes_list.value.append(data)


def _variable_nodes(variable: tf.Variable, name: str) -> Iterator[Any]:
    dtype, shape = variable.dtype, variable.shape
    sizes = np.array(shape.as_list(), np.int32)
    # The initial values are never used, because loaders restore the checkpoint.
    zeros = f"{name}/Initializer/zeros"
    yield _const(f"{zeros}/shape_as_tensor", sizes, tf.int32)
    yield _const(f"{zeros}/Const", np.zeros([], dtype.as_numpy_dtype), dtype)
    yield _node(zeros, "Fill", f"{zeros}/shape_as_tensor", f"{zeros}/Const", T=dtype, index_type=tf.int32)
    handle = _node(name, "VarHandleOp", dtype=dtype)
    handle.attr["shape"].shape.CopyFrom(shape.as_proto())
    handle.attr["shared_name"].s = name.encode()
    yield handle
    yield _node(f"{name}/IsInitialized/VarIsInitializedOp", "VarIsInitializedOp", name)
    yield _node(f"{name}/Assign", "AssignVariableOp", name, zeros, dtype=dtype)
    yield _node(f"{name}/Read/ReadVariableOp", "ReadVariableOp", name, dtype=dtype)


def _node(name: str, op: str, *inputs: str, **types: tf.DType) -> Any:
    node = tf.compat.v1.NodeDef(name=name, op=op, input=inputs)
    for attribute, dtype in types.items():
        node.attr[attribute].type = dtype.as_datatype_enum
    return node


def _const(name: str, value: Any, dtype: tf.DType) -> Any:
    node = _node(name, "Const", dtype=dtype)
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value, dtype))
    return node
