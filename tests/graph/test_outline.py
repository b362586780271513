"""Outlines of graphs, as a person reads them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from hubcheck.graph.dataflow.dependence import Dependence
from hubcheck.graph.dataflow.inlining import InlinedGraph
from hubcheck.graph.outline.outline import Line, outline
from tests.graph.graphs import graph_of, images, view_of


def drawn(build: Callable[[tf.Tensor], Mapping[str, tf.Tensor] | tf.Tensor], **options: Any) -> list[Line]:
    names: dict[str, str] = {}

    def make() -> None:
        built = build(images())
        outputs = built if isinstance(built, Mapping) else {"default": built}
        names.update({key: tensor.name for key, tensor in outputs.items()})

    view = view_of(graph_of(make))
    graph = InlinedGraph(view)
    fed = view.tensor("images:0")
    outputs = {key: view.tensor(name) for key, name in names.items()}
    assert fed is not None
    return outline(
        graph,
        Dependence(graph, [(graph.main, *fed)]),
        {key: (graph.main, *port) for key, port in outputs.items() if port is not None},
        **options,
    )


def shown(lines: list[Line]) -> list[tuple[int, str, str]]:
    return [(line.depth, line.name, line.summary) for line in lines]


def block(name: str, x: tf.Tensor) -> tf.Tensor:
    with tf.name_scope(name):
        return tf.nn.relu(tf.nn.bias_add(x, tf.ones([x.shape[-1]])))


def test_nodes_are_collapsed_into_their_scopes_when_there_are_many() -> None:
    def net(x: tf.Tensor) -> tf.Tensor:
        for i in range(5):
            x = block(f"layer{i}", x)
        return tf.reduce_mean(x, [1, 2], name="pool")

    lines = drawn(net, lines=9)
    assert shown(lines) == [
        (0, "images", "Placeholder"),
        *((0, f"layer{i}", "BiasAdd, Relu") for i in range(5)),
        (0, "pool", "Mean"),
    ]
    assert lines[-1].dims == (None, 3)
    assert lines[-1].outputs == ("default",)


def test_scopes_are_opened_when_there_is_room() -> None:
    assert shown(drawn(lambda x: block("a", block("b", x)))) == [
        (0, "images", "Placeholder"),
        (0, "b", "BiasAdd, Relu"),
        (1, "BiasAdd", "BiasAdd"),
        (1, "Relu", "Relu"),
        (0, "a", "BiasAdd, Relu"),
        (1, "BiasAdd", "BiasAdd"),
        (1, "Relu", "Relu"),
    ]


def test_blocks_of_many_layers_are_grouped() -> None:
    def net(x: tf.Tensor) -> tf.Tensor:
        for i in range(8):
            x = block(f"block_{i}_project", block(f"block_{i}_expand", x))
        return x

    lines = drawn(net, lines=20)
    assert shown(lines)[1:] == [(0, f"block_{i}_*", "BiasAdd x2, Relu x2") for i in range(8)]


def test_functions_are_followed_and_their_calls_left_out() -> None:
    @tf.function
    def inner(x: tf.Tensor) -> tf.Tensor:
        return block("inside", x)

    lines = drawn(lambda x: inner(tf.identity(x)))
    assert shown(lines)[:2] == [(0, "images", "Placeholder"), (0, "inside", "BiasAdd, Relu")]
    assert [line.outputs for line in lines] == [(), (), (), ("default",)]


def test_nodes_that_do_not_depend_on_the_images_are_left_out() -> None:
    lines = drawn(lambda x: x * tf.sqrt(tf.ones([3])) + tf.random.normal(tf.shape(x)))
    assert [line.name for line in lines] == ["images", "mul", "add"]


def test_each_output_is_shown_where_it_is_computed() -> None:
    def net(x: tf.Tensor) -> dict[str, tf.Tensor]:
        hidden = block("hidden", x)
        return {"Net/hidden": tf.identity(hidden), "default": tf.reduce_mean(hidden, [1, 2], name="pool")}

    outputs = {line.name: line.outputs for line in drawn(net, lines=3)}
    assert outputs == {"images": (), "hidden": ("Net/hidden",), "pool": ("default",)}


def test_scopes_are_opened_down_to_a_mark() -> None:
    def net(x: tf.Tensor) -> tf.Tensor:
        for i in range(9):
            x = block(f"layer{i}", x)
        return x

    lines = drawn(net, lines=12, marks={(None, "layer3/Relu"): ["look here"]})
    assert [(line.depth, line.name, line.marks) for line in lines if line.depth or "3" in line.name] == [
        (0, "layer3", ()),
        (1, "BiasAdd", ()),
        (1, "Relu", ("look here",)),
    ]


def test_a_long_outline_is_shortened_in_the_middle() -> None:
    def net(x: tf.Tensor) -> tf.Tensor:
        for _ in range(100):
            x = tf.nn.relu(x)
        return x

    lines = drawn(net, lines=10)
    assert len(lines) == 11
    assert (lines[5].name, lines[5].summary) == ("... 91 more", "Relu x91")
    assert lines[-1].outputs == ("default",)


def test_loops_and_branches_are_followed() -> None:
    def net(x: tf.Tensor) -> tf.Tensor:
        x = tf.while_loop(lambda i, _: i < 3, lambda i, y: (i + 1, tf.nn.elu(y)), (0, x))[1]
        return tf.cond(tf.reduce_max(x) > 0, lambda: tf.nn.relu(x), lambda: tf.tanh(x))

    ops = {op for line in drawn(net) for op in line.ops}
    assert ops == {"Placeholder", "Elu", "Relu", "Tanh"}


def test_thousands_of_nested_scopes_are_joined() -> None:
    def net(x: tf.Tensor) -> tf.Tensor:
        with tf.name_scope("/".join("abc"[i % 3] for i in range(3000))):
            return tf.nn.relu(tf.nn.elu(x))

    assert len(drawn(net)) >= 2


def test_each_line_has_the_lines_whose_results_it_uses() -> None:
    def net(x: tf.Tensor) -> tf.Tensor:
        stem = block("stem", x)
        left = tf.identity(block("left", stem))
        right = block("right", stem)
        return tf.add(left, right, name="join")

    lines = drawn(net, lines=5)
    sources = {line.name: [lines[number].name for number in line.sources] for line in lines}
    assert sources == {
        "images": [],
        "stem": ["images"],
        "left": ["stem"],
        "right": ["stem"],
        "join": ["left", "right"],
    }


def test_folded_lines_keep_the_path_connected() -> None:
    def net(x: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs = {}
        for i in range(60):
            x = tf.nn.relu(x, name=f"r{i}")
            if i == 30:
                outputs["Net/middle"] = x
        return {**outputs, "default": x}

    lines = drawn(net, lines=10)
    assert [line.name for line in lines if line.name.startswith("...")] == ["... 26 more", "... 24 more"]
    assert [line.sources for line in lines] == [(), *((number,) for number in range(len(lines) - 1))]
    assert sum(line.ops.get("Relu", 0) for line in lines) == 60
