"""The device path: which nodes hand data of the images on to the output."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import tensorflow as tf

from hubcheck.graph.devices.device_path import DevicePath
from tests.graph.graphs import graph_of, images, view_of


def path(build: Callable[[tf.Tensor], tf.Tensor], *, v1_control_flow: bool = False) -> list[str]:
    """The ops on the way from a placeholder to what `build` makes of it."""

    def whole():
        tf.identity(build(images()), name="output")

    view = view_of(graph_of(whole, v1_control_flow=v1_control_flow))
    found = DevicePath(view, [(view.main, view.main.find("images"))], [(view.main, view.main.port("output"))])
    return sorted({op for op, _ in found.nodes} - {"Placeholder", "Identity"})


def test_a_chain_of_ops_is_on_the_path():
    assert path(lambda x: tf.reduce_mean(tf.nn.relu(x), [1, 2])) == ["Mean", "Relu"]


def test_nodes_that_the_output_does_not_need_are_not_on_it():
    def build(x):
        tf.raw_ops.Unique(x=tf.reshape(x, [-1]))
        return tf.nn.relu(x)

    assert path(build) == ["Relu"]


def test_nodes_that_do_not_depend_on_the_images_are_not_on_it():
    assert path(lambda x: x * tf.sqrt(tf.constant([1.0, 2.0, 3.0]))) == ["Mul"]


def test_shape_arithmetic_is_not_on_it():
    def build(x):
        shape = tf.shape(x)
        rows = shape[0] * tf.reduce_prod(shape[1:3]) // 2 * 2
        return tf.reshape(x, tf.stack([rows, 3]))

    assert path(build) == ["Reshape"]


def test_fills_with_the_shape_of_the_images_are_not_on_it():
    assert path(lambda x: x + tf.fill(tf.shape(x), 1.0)) == ["AddV2"]


def test_calls_are_followed():
    inner = tf.function(tf.nn.elu)
    outer = tf.function(lambda x: tf.nn.relu(inner(x)))
    assert path(outer) == ["Elu", "Relu"]


def test_only_the_arguments_and_results_of_a_call_that_carry_images_count():
    @tf.function
    def two(a, b):
        return tf.nn.relu(a), tf.nn.elu(b), tf.nn.selu(a)

    assert path(lambda x: two(x, tf.constant(1.0))[0]) == ["Relu"]


@pytest.mark.parametrize("v1_control_flow", [False, True])
def test_both_branches_of_a_conditional_count(v1_control_flow):
    def build(x):
        return tf.cond(tf.constant(True), lambda: tf.nn.relu(x), lambda: tf.nn.elu(x))

    found = path(build, v1_control_flow=v1_control_flow)
    assert {"Relu", "Elu"} <= set(found)


@pytest.mark.parametrize("v1_control_flow", [False, True])
def test_loops_carry_the_images_and_not_their_counter(v1_control_flow):
    def build(x):
        return tf.while_loop(
            lambda i, _: i < 3, lambda i, y: [i + 1, tf.nn.relu(y)], [tf.constant(0), x], maximum_iterations=5
        )[1]

    found = set(path(build, v1_control_flow=v1_control_flow))
    assert "Relu" in found and not found & {"AddV2", "Less", "Add"}


def test_a_value_that_reaches_the_output_in_a_later_turn_counts():
    def build(x):
        return tf.while_loop(
            lambda i, *_: i < 3,
            lambda i, a, b, c: [i + 1, tf.nn.relu(a), tf.nn.elu(a), tf.nn.selu(b)],
            [tf.constant(0), x, tf.zeros_like(x), tf.zeros_like(x)],
        )[3]

    assert {"Relu", "Elu", "Selu"} <= set(path(build))


def test_map_fn_and_tensor_arrays_pass_the_images_on():
    assert "Elu" in path(lambda x: tf.map_fn(tf.nn.elu, x))


def test_a_missing_function_does_not_hide_what_feeds_it():
    inner = tf.function(tf.nn.elu)
    graph = graph_of(lambda: tf.identity(tf.nn.relu(inner(tf.nn.selu(images()))), name="output"))
    del graph.library.function[:]
    view = view_of(graph)
    found = DevicePath(view, [(view.main, view.main.find("images"))], [(view.main, view.main.port("output"))])
    assert {"Selu", "Relu"} <= {op for op, _ in found.nodes}


def test_a_function_that_calls_itself_is_visited_once():
    inner = tf.function(tf.nn.elu)
    graph = graph_of(lambda: tf.identity(inner(images()), name="output"))
    function = graph.library.function[0]
    call = function.node_def.add(name="again", op="PartitionedCall", input=[function.signature.input_arg[0].name])
    call.attr["f"].func.name = function.signature.name
    function.ret[function.signature.output_arg[0].name] = "again:output:0"
    view = view_of(graph)
    found = DevicePath(view, [(view.main, view.main.find("images"))], [(view.main, view.main.port("output"))])
    assert "Elu" not in {op for op, _ in found.nodes}
