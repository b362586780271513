"""Constants that are found through the graph, against the values that TensorFlow computes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf
import tensorflow.compat.v1 as tf1

from hubcheck.graph.dataflow.constants import Constant, read_constant
from hubcheck.graph.dataflow.inlining import InlinedGraph
from hubcheck.module import proto
from tests.graph.graphs import graph_of, view_of


def found(build: Callable[[], tf.Tensor], *, v1_control_flow: bool = False) -> Constant | None:
    """What is known of the tensor that `build` makes."""
    graph = InlinedGraph(
        view_of(graph_of(lambda: tf.identity(build(), name="output"), v1_control_flow=v1_control_flow))
    )
    port = graph.view.tensor("output:0")
    assert port is not None
    return graph.constant((graph.main, *port))


def fed() -> tf.Tensor:
    return tf1.placeholder(tf.float32, [])


@pytest.mark.parametrize(
    "build",
    [
        lambda: tf.constant(True),
        lambda: tf.logical_not(tf.constant(True)),
        lambda: tf.cast(tf.constant(0.5), tf.int32),
        lambda: tf.cast(tf.constant(2), tf.bool),
        lambda: tf.constant([1.0, 2.0]) * 3.0 - [0.5, 0.25],
        lambda: 1.0 / tf.sqrt(tf.constant([4.0, 16.0])),
        lambda: tf.stack([tf.constant(1), tf.constant(2)]),
        lambda: tf.reshape(tf.constant([[1, 2], [3, 4]]), [4]),
        lambda: tf.constant(3) > tf.constant(2),
        lambda: tf1.placeholder_with_default(False, []),
        lambda: tf.function(lambda x: tf.function(lambda y: y + 1.0)(-x))(tf.constant(1.0)),
        lambda: tf.cond(tf.constant(True), lambda: tf.constant(1.0), lambda: tf.constant(2.0)),
        lambda: tf.switch_case(tf.constant(7), [lambda: tf.constant(1.0), lambda: tf.constant(2.0)]),
        lambda: tf.cond(fed() > 0, lambda: tf.constant(5.0), lambda: tf.constant(5.0)),
        lambda: tf.while_loop(lambda i, _: i < 2.0, lambda i, x: (i + 1, x), (0.0, tf.constant(4.0)))[1],
        lambda: tf.constant([1.5, 1.5, 1.5], tf.float16),
        lambda: tf.constant([], tf.float32),
    ],
)
def test_constants_have_the_values_that_tensorflow_computes(build: Callable[[], tf.Tensor]) -> None:
    constant = found(build)
    assert constant is not None
    with tf.Graph().as_default(), tf1.Session() as session:
        output = build()
        fed_ops = [op for op in session.graph.get_operations() if op.type == "Placeholder"]
        value = session.run(output, {op.outputs[0]: 0 for op in fed_ops})
    np.testing.assert_allclose(constant.values, np.ravel(value))


@pytest.mark.parametrize(
    "build",
    [
        fed,
        lambda: fed() + 1.0,
        lambda: tf.random.uniform([]),
        lambda: tf.cond(fed() > 0, lambda: tf.constant(1.0), lambda: tf.constant(2.0)),
        lambda: tf.while_loop(lambda i: i < 9.0, lambda i: (i + 1.0,), (0.0,))[0],
        lambda: tf.zeros([1000, 1000]),
        lambda: tf1.get_variable("v", [], use_resource=True).read_value(),
        lambda: tf.constant(1.0) / 0.0,
        lambda: tf.constant("text"),
    ],
)
def test_other_values_are_none(build: Callable[[], tf.Tensor]) -> None:
    assert found(build) is None


def test_one_true_operand_decides_an_or() -> None:
    constant = found(lambda: tf.logical_or(tf1.placeholder(tf.bool, []), tf.constant(True)))
    assert constant is not None and constant.scalar is True


def test_a_fed_placeholder_with_default_is_not_constant() -> None:
    view = view_of(graph_of(lambda: tf1.placeholder_with_default(1.0, [], name="rate")))
    port = view.tensor("rate:0")
    assert port is not None
    graph = InlinedGraph(view, fed={port[0]})
    assert graph.constant((graph.main, *port)) is None


@pytest.mark.parametrize("value", [3, [1, 2, 3], [[True, False]], 2.5, np.full([40], 7.0, np.float32), np.arange(5)])
def test_tensor_protos_are_read_as_tensorflow_reads_them(value: object) -> None:
    tensor = tf.make_tensor_proto(value)
    constant = read_constant(proto.parse("TensorProto", tensor.SerializeToString()))
    assert constant is not None
    np.testing.assert_array_equal(np.reshape(constant.values, constant.shape), tf.make_ndarray(tensor))


@pytest.mark.parametrize("dims", [[-1], [1 << 40], [1 << 40, 0]])
def test_tensor_protos_with_a_wrong_size_are_none(dims: list[int]) -> None:
    tensor = tf.make_tensor_proto(1.0)
    tensor.tensor_shape.ClearField("dim")
    for size in dims:
        tensor.tensor_shape.dim.add(size=size)
    constant = read_constant(proto.parse("TensorProto", tensor.SerializeToString()))
    assert constant is None or constant.values == ()
