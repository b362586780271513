"""TensorFlow graphs as hubcheck sees them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from hubcheck.graph.view import GraphView
from hubcheck.module import proto


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
