"""Rows of modules that compute in half precision differ by more than those of others, and are no fault."""

from __future__ import annotations

import pytest
import tensorflow as tf

from hubcheck.checks.context import Context
from hubcheck.checks.precision import tolerance
from hubcheck.probe.tolerances import SAME_ROW, SIXTEEN_BITS
from hubcheck.rulebook.contract import load_contracts
from tests.graph.graphs import graph_of, images, module_of, variant_of


def tolerated(dtype: tf.DType, *, in_function: bool = False) -> float:
    """The tolerance for rows of a module with a convolution in this type."""

    def network(x: tf.Tensor) -> tf.Tensor:
        x = tf.nn.relu(tf.nn.conv2d(tf.cast(x, dtype), tf.ones([3, 3, 3, 4], dtype), 1, "SAME"))
        return tf.cast(tf.reduce_mean(x, [1, 2]), tf.float32)

    called = tf.function(network) if in_function else network
    graph = graph_of(lambda: tf.identity(called(images()), name="output"))
    return tolerance(Context(module_of(variant_of(graph, {"default": "output:0"})), load_contracts()), SAME_ROW)


@pytest.mark.parametrize("in_function", [False, True])
def test_a_coarser_type_on_the_way_widens_the_tolerance(in_function: bool) -> None:
    assert tolerated(tf.float32, in_function=in_function) == SAME_ROW
    assert tolerated(tf.float16, in_function=in_function) == SIXTEEN_BITS
    assert tolerated(tf.bfloat16, in_function=in_function) == SIXTEEN_BITS
