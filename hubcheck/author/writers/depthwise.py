"""Write convolutions with one group for each channel as depthwise ones, whose gradients TensorFlow computes on a CPU.

Keras runs grouped convolutions in functions that XLA compiles. A graph without functions runs them by kernels of
TensorFlow, which on a CPU have no gradients for groups.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow.python.framework.meta_graph import stripped_op_list_for_graph  # public nowhere


def write_depthwise(meta: Any, graph: tf.Graph) -> None:
    """Change the nodes of a MetaGraphDef that was exported of a graph."""
    groups = {op.name: count for op in graph.get_operations() if op.type == "Conv2D" and (count := _groups(op)) > 1}
    if not groups:
        return
    for node in [node for node in meta.graph_def.node if node.name in groups]:
        height, width, _, outputs = graph.get_operation_by_name(node.name).inputs[1].shape
        count = groups[node.name]
        with tf.Graph().as_default() as part:
            filters = tf.compat.v1.placeholder(tf.DType(node.attr["T"].type), name="filters")
            shape = tf.constant([height, width, count, outputs // count], name=f"{node.name}/shape")
            tf.reshape(filters, shape, name=f"{node.name}/depthwise")
        added = [other for other in part.as_graph_def().node if other.name != "filters"]
        added[-1].input[0], node.input[1] = node.input[1], added[-1].name
        meta.graph_def.node.extend(added)
        node.op = "DepthwiseConv2dNative"
        node.attr.pop("use_cudnn_on_gpu", None)
    meta.meta_info_def.stripped_op_list.CopyFrom(stripped_op_list_for_graph(meta.graph_def))


def _groups(convolution: tf.Operation) -> int:
    """Return how many groups of one channel a convolution has that can be written as a depthwise one; else 0."""
    images, filters = convolution.inputs
    if convolution.get_attr("data_format") != b"NHWC" or not filters.shape.is_fully_defined():
        return 0
    strides = convolution.get_attr("strides")
    if strides[1] != strides[2] or any(rate != 1 for rate in convolution.get_attr("dilations")):
        return 0
    channels = images.shape[-1] if images.shape.rank == 4 else None
    return channels if channels and filters.shape[2] == 1 else 0
