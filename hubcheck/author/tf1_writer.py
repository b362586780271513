"""The format of the original TF Hub library: a graph for inference, one for training, and a named checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf
from google.protobuf import any_pb2
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

from hubcheck.author import flatten
from hubcheck.author.builder import CLASSES
from hubcheck.author.errors import AuthorError
from hubcheck.author.state import captured_variables, regularizers, unique_names
from hubcheck.author.tf1_variables import Variables
from hubcheck.author.tf2_writer import LABELS
from hubcheck.author.tracing import Program

DEFAULT_SIGNATURE = "default"
TRAIN = "train"
_MODULE_DEF = b"\x08\x03"  # ModuleDef.format = FORMAT_V3
_ASSET = "SAVEDMODEL-ASSET"
_UNKNOWN_TO_TF1 = {"VarHandleOp": ("debug_name",), "AssignVariableOp": ("validate_shape",)}


def write(program: Program, folder: Path, *, tf1_compat: bool = False) -> None:
    """Write the module into the folder, which exists and is empty."""
    traces = {False: program.trace(False), True: program.trace(True)}
    # Inference's variables first: what only training adds (seeds) comes after them.
    variables = captured_variables(*traces.values())
    losses = [
        tf.function(loss).get_concrete_function()
        for loss in regularizers(program.module, [variable for variable in variables if variable.trainable])
    ]
    variables = captured_variables(*traces.values(), *losses)
    state = Variables(variables, unique_names(variables))
    proto = saved_model_pb2.SavedModel()
    for training, trace in traces.items():
        meta = _meta_graph(program, trace, state, losses, tf1_compat=tf1_compat)
        if training:
            meta.meta_info_def.tags.append(TRAIN)
        if tf1_compat:
            _forget_new_attributes(meta.graph_def)
        proto.meta_graphs.append(meta)
    if variables:
        state.save(folder / "variables")
    task = program.module.tasks.get(CLASSES)
    if task is not None and task.classes:
        (folder / "assets").mkdir()
        (folder / "assets" / LABELS).write_text("\n".join(task.classes) + "\n", encoding="utf-8")
    (folder / "saved_model.pb").write_bytes(proto.SerializeToString(deterministic=True))
    (folder / "tfhub_module.pb").write_bytes(_MODULE_DEF)


def _meta_graph(program: Program, trace: Any, state: Variables, losses: Sequence[Any], *, tf1_compat: bool) -> Any:
    task = program.module.tasks.get(CLASSES)
    with tf.Graph().as_default() as graph:
        handles = state.place()
        spec = program.images
        images = tf.compat.v1.placeholder(spec.dtype, spec.shape, name=spec.name)
        flat = flatten.flatten(trace, v1_control_flow=tf1_compat)
        results, updates = _import(flat, [images], handles)
        results = tf.nest.map_structure(_shaped, results, trace.structured_outputs)
        for update in updates:
            graph.add_to_collection(tf.compat.v1.GraphKeys.UPDATE_OPS, update)
        for loss in losses:
            tensor, _ = _import(flatten.flatten(loss), [], handles)
            graph.add_to_collection(tf.compat.v1.GraphKeys.REGULARIZATION_LOSSES, tensor)
        if task is not None and task.classes:
            labels = tf.constant(_ASSET, name="labels")
            graph.add_to_collection(tf.compat.v1.GraphKeys.ASSET_FILEPATHS, labels)
        meta = tf.compat.v1.train.export_meta_graph(strip_default_attrs=True)
    state.declare(meta)
    for name, outputs in (*results.items(), (DEFAULT_SIGNATURE, results[program.default])):
        signature = meta.signature_def[name]
        signature.inputs[spec.name].CopyFrom(_tensor_info(images))
        for key, tensor in outputs.items():
            signature.outputs[key].CopyFrom(_tensor_info(tensor))
    meta.collection_def["hub_module_attachments"].bytes_list.value.append(_image_module_info(program.module.image_size))
    if task is not None and task.classes:
        _declare_asset(meta, labels.name)
    return meta


def _shaped(tensor: tf.Tensor, traced: Any) -> tf.Tensor:
    """The tensor with the shape that it was traced with, which Merge and Exit nodes do not tell."""
    return tensor if tensor.shape.is_subtype_of(traced.shape) else tf.ensure_shape(tensor, traced.shape)


def _tensor_info(tensor: tf.Tensor) -> Any:
    return meta_graph_pb2.TensorInfo(
        name=tensor.name, dtype=tensor.dtype.as_datatype_enum, tensor_shape=tensor.shape.as_proto()
    )


def _import(
    flat: flatten.FlatGraph, arguments: Sequence[tf.Tensor], handles: dict[int, tf.Tensor]
) -> tuple[Any, list[Any]]:
    """Put a flat graph into the current one; its outputs, and its update ops."""
    feeds = dict(zip(flat.inputs, arguments, strict=True))
    for name, external in flat.captures.items():
        feeds[name] = handles[id(external)] if id(external) in handles else _constant(external)
    fed = {name.partition(":")[0] for name in feeds}
    kept = [node for node in flat.graph_def.node if node.name not in fed]
    graph_def = tf.compat.v1.GraphDef(versions=flat.graph_def.versions, library=flat.graph_def.library)
    graph_def.node.extend(kept)
    used = {_full(name) for node in kept for name in node.input}
    wanted = [name for name in tf.nest.flatten(flat.outputs) if name not in feeds]
    elements = tf.graph_util.import_graph_def(
        graph_def,
        input_map={name: tensor for name, tensor in feeds.items() if name in used},
        return_elements=[*wanted, *flat.updates],
        name="",
    )
    found = {**feeds, **dict(zip(wanted, elements[: len(wanted)], strict=True))}
    outputs = tf.nest.map_structure(lambda name: found[name], flat.outputs)
    return outputs, list(elements[len(wanted) :])


def _full(name: str) -> str:
    return name if ":" in name or name.startswith("^") else f"{name}:0"


def _constant(external: Any) -> tf.Tensor:
    if external.dtype in (tf.resource, tf.variant):
        raise AuthorError(
            "the module uses a lookup table or another resource that is no variable, which format 'tf1-hub' is not "
            "written with: export format='tf2', or compute the same without the table"
        )
    return tf.constant(external.numpy())


def _image_module_info(size: tuple[int, int]) -> bytes:
    """A ModuleAttachment "image_module_info" with an ImageModuleInfo: messages of the original library."""
    height, width = (bytes([key]) + _varint(side) for key, side in zip((0x08, 0x10), size, strict=True))
    info = _field(1, height + width)
    return _field(1, b"image_module_info") + _field(2, info)


def _field(number: int, data: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _declare_asset(meta: Any, tensor: str) -> None:
    asset = meta_graph_pb2.AssetFileDef(filename=LABELS)
    asset.tensor_info.name = tensor
    packed = any_pb2.Any()
    packed.Pack(asset)
    meta.collection_def["saved_model_assets"].any_list.value.append(packed)


def _forget_new_attributes(graph_def: Any) -> None:
    nodes = [*graph_def.node, *(node for function in graph_def.library.function for node in function.node_def)]
    for node in nodes:
        for name in _UNKNOWN_TO_TF1.get(node.op, ()):
            node.attr.pop(name, None)
