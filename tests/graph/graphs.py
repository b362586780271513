"""TensorFlow graphs as hubcheck sees them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from hubcheck.graph.dataflow.view import GraphView
from hubcheck.module import proto
from hubcheck.module.tensors import Shape, Tensor
from hubcheck.module.types import Module, Signature, Variant


def view_of(graph_def: Any) -> GraphView:
    """The view of one of TensorFlow's own GraphDefs."""
    return GraphView(proto.parse("GraphDef", graph_def.SerializeToString()))


def graph_of(build: Callable[[], Any], *, v1_control_flow: bool = False) -> Any:
    """The GraphDef of what `build` makes; with TF1 control flow as TensorFlow 1.15 writes it if asked."""
    with tf.Graph().as_default() as graph:
        if v1_control_flow:
            tf.compat.v1.disable_control_flow_v2()
        else:
            tf.compat.v1.enable_control_flow_v2()
        try:
            build()
        finally:
            tf.compat.v1.enable_control_flow_v2()
    return graph.as_graph_def(add_shapes=True)


def images(name: str = "images", shape: tuple[int | None, ...] = (None, 8, 8, 3)) -> tf.Tensor:
    """A placeholder of the main graph."""
    return tf.compat.v1.placeholder(tf.float32, shape, name=name)


def variant_of(
    graph_def: Any,
    outputs: Mapping[str, str],
    *,
    inputs: Mapping[str, str] | None = None,
    signature: str = "image_feature_vector",
    tags: tuple[str, ...] = ("serve",),
) -> Variant:
    """The facts of a variant with one signature; `inputs` and `outputs` are tensor names by key."""

    def tensors(names: Mapping[str, str]) -> dict[str, Tensor]:
        return {key: Tensor("float32", Shape(None), components=(name,)) for key, name in names.items()}

    graph = proto.parse("GraphDef", graph_def.SerializeToString())
    known = Signature(signature, "", tensors(inputs or {"images": "images:0"}), tensors(outputs))
    return Variant(tags, {signature: known}, graph, proto.message_class("SaverDef")())


def module_of(*variants: Variant) -> Module:
    """The facts of a TF1 SavedModel, without a detour over files."""
    return Module(Path("module"), "tf1-saved-model", "saved_model.pb", variants)
