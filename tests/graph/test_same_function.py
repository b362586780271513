"""Two tensors that are the same function of a signature's inputs."""

from __future__ import annotations

import tensorflow as tf

from hubcheck.graph.dataflow.inlining import InlinedGraph
from hubcheck.graph.same_function import Origin, origin
from tests.graph.graphs import graph_of, images, view_of


@tf.function
def inner(x: tf.Tensor) -> tf.Tensor:
    return tf.nn.relu(x)


@tf.function
def wrapper(x: tf.Tensor) -> tf.Tensor:
    return tf.identity(inner(x))


def origins() -> dict[str, Origin]:
    def build() -> None:
        tf.identity(wrapper(images("a")), name="wrapped")
        tf.identity(wrapper(images("b")), name="wrapped_too")
        tf.identity(wrapper(images("a_too") * 2.0), name="scaled")
        tf.identity(tf.nn.relu(images("c")), name="relu")
        tf.quantization.fake_quant_with_min_max_args(wrapper(images("d")), name="rounded")

    graph = InlinedGraph(view_of(graph_of(build)))
    inputs = {f"{name}:0": "input images" for name in ("a", "b", "a_too", "c", "d")}
    return {
        name: origin(graph, f"{name}:0", inputs) for name in ("wrapped", "wrapped_too", "scaled", "relu", "rounded")
    }


def test_wrappers_of_one_function_are_the_same_and_others_are_not() -> None:
    found = origins()
    assert found["wrapped"] == found["wrapped_too"]
    assert len({found[name] for name in ("wrapped", "scaled", "relu", "rounded")}) == 4


def test_a_tensor_that_does_not_exist_is_only_itself() -> None:
    graph = InlinedGraph(view_of(graph_of(images)))
    assert origin(graph, "nowhere:0", {}) != origin(graph, "images:0", {})
    assert origin(graph, "images:0", {"images:0": "input images"}) == ("input images",)
