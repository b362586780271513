"""The op table, held against the installed TensorFlow."""

from __future__ import annotations

import pytest

from hubcheck.graph.op_tables import ops
from hubcheck.module.proto import message_class

tf = pytest.importorskip("tensorflow")


def ours(graph):
    """TensorFlow's GraphDef as hubcheck reads it."""
    return message_class("GraphDef").FromString(graph.SerializeToString())


def mixed_graph():
    """Ops of every kind of signature: fixed types, attributes, counts, lists, references, defaults, calls by name."""

    @tf.function(input_signature=[tf.TensorSpec([2], tf.float16), tf.TensorSpec([], tf.int64)])
    def called(x, n):
        return x * 2, n, tf.cast(n, tf.complex64)

    v1 = tf.compat.v1
    graph = tf.Graph()
    with graph.as_default():
        x = v1.placeholder(tf.float32, [4])
        v1.get_variable("v", [3], tf.float64, use_resource=False)
        v1.get_variable("r", [3], tf.bfloat16, use_resource=True)
        tf.split(x, 4)
        tf.concat([x, x], 0)
        tf.unique(x, out_idx=tf.int64)
        tf.stack([x, x])
        tf.raw_ops.ParseExample(
            serialized=["x"],
            names=[""],
            sparse_keys=["a", "b"],
            dense_keys=["c"],
            dense_defaults=[tf.constant(1.0)],
            sparse_types=[tf.int64, tf.string],
            dense_shapes=[[]],
        )
        tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(["a"], [1]), -1)
        tf.cond(x[0] > 0, lambda: (x, 1), lambda: (x + 1, 2))
        called(tf.zeros([2], tf.float16), tf.constant(1, tf.int64))
    return graph


def test_outputs_have_the_dtypes_that_tensorflow_infers():
    graph = mixed_graph()
    definition = ours(graph.as_graph_def())
    library = {function.signature.name: function for function in definition.library.function}
    # A reference dtype counts as the dtype that it refers to.
    expected = {op.name: [tensor.dtype.base_dtype.name for tensor in op.outputs] for op in graph.get_operations()}
    assert {node.name: ops.output_dtypes(node, library) for node in definition.node} == expected


def test_inputs_have_the_dtypes_that_tensorflow_infers():
    graph = mixed_graph()
    definition = ours(graph.as_graph_def())
    expected = {op.name: [spec.base_dtype.name for spec in op._input_types] for op in graph.get_operations()}
    assert {node.name: ops.input_dtypes(node, {}) for node in definition.node} == expected


def test_a_function_called_as_op_returns_the_dtypes_of_its_signature():
    graph = ours(mixed_graph().as_graph_def())
    library = {function.signature.name: function for function in graph.library.function}
    name = next(name for name in library if "called" in name)
    node = message_class("NodeDef")(name="call", op=name)
    assert ops.output_dtypes(node, library) == ["float16", "int64", "complex64"]
    assert ops.output_dtypes(node, {}) is None


def test_an_unknown_op_has_no_known_outputs():
    node = message_class("NodeDef")(name="x", op="SomebodysFastConv")
    assert ops.output_dtypes(node, {}) is None
    assert not ops.is_stock("SomebodysFastConv")


def test_a_huge_count_makes_the_outputs_unknown():
    node = message_class("NodeDef")(name="x", op="Split")
    node.attr["T"].type = 1
    node.attr["num_split"].i = 1 << 60
    assert ops.output_dtypes(node, {}) is None


def test_a_missing_attribute_has_its_default_or_makes_the_outputs_unknown():
    node = message_class("NodeDef")(name="x", op="Unique")
    assert ops.output_dtypes(node, {}) is None
    node.attr["T"].type = 7
    assert ops.output_dtypes(node, {}) == ["string", "int32"]


def test_the_table_is_the_one_of_the_installed_tensorflow():
    if ops.tensorflow_version()[0] != tf.version.VERSION:
        pytest.skip(f"the table is of TensorFlow {ops.tensorflow_version()[0]}, this is {tf.version.VERSION}")
    from tensorflow.core.framework import op_def_pb2
    from tensorflow.python.client import pywrap_tf_session

    raw = pywrap_tf_session.TF_GetBuffer(pywrap_tf_session.TF_GetAllOpList())
    for op in op_def_pb2.OpList.FromString(raw).op:
        ours = ops.op_def(op.name)
        assert ours is not None, op.name
        assert [arg.name for arg in ours.outputs] == [arg.name for arg in op.output_arg], op.name
        assert [arg.name for arg in ours.inputs] == [arg.name for arg in op.input_arg], op.name
    assert ops.tensorflow_version()[1] == tf.version.GRAPH_DEF_VERSION
