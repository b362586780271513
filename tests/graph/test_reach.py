"""What a root leads to, and who chooses a path."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from hubcheck.graph.dataflow.reach import Reach, Root
from hubcheck.graph.dataflow.view import GraphView
from hubcheck.graph.path_origin import PathOrigins
from hubcheck.module import proto
from tests.graph.graphs import graph_of, images

v1 = tf.compat.v1


def reach(build: Callable[[], object], *roots: Root) -> Reach:
    graph = proto.parse("GraphDef", graph_of(build).SerializeToString())
    return Reach(GraphView(graph), roots)


def found(reach: Reach, *ops: str) -> list[str]:
    return sorted(body.names[index] for body, index in reach.nodes(ops))


def two_reads() -> None:
    with tf.control_dependencies([tf.io.read_file("a", name="before")]):
        tf.identity(images(), name="output")
    tf.io.read_file("b", name="beside")


def test_control_inputs_are_followed_and_the_rest_of_the_main_graph_is_not():
    assert found(reach(two_reads, Root("r", node="output:0")), "ReadFile") == ["before"]


def test_a_missing_root_reaches_nothing():
    assert found(reach(two_reads, Root("r", node="nowhere:0"), Root("s", function="none")), "ReadFile") == []


def test_every_node_of_a_reached_function_counts():
    @tf.function
    def function(x):
        tf.io.read_file("inside", name="inside")
        return x

    graph = reach(lambda: tf.identity(function(images()), name="output"), Root("r", node="output"))
    assert found(graph, "ReadFile") == ["inside"]


def test_a_node_has_the_first_root_that_leads_to_it():
    roots = (Root("first", node="beside"), Root("second", node="output"), Root("third", node="before"))
    reached = reach(two_reads, *roots)
    assert {body.names[i]: reached.root(body, i).label for body, i in reached.nodes(["ReadFile"])} == {
        "beside": "first",
        "before": "second",
    }


def choosers(build: Callable[[], tf.Tensor], *, fed: tuple[str, ...] = ()) -> set[str]:
    """Who chooses the path of a node that reads a file."""

    def whole():
        tf.io.read_file(build(), name="read")

    reached = reach(whole, Root("r", node="read", feeds=bool(fed)))
    ((body, index),) = reached.nodes(["ReadFile"])
    return set(PathOrigins(reached, fed, {}).origins(body, body.inputs(index)[0]))


def test_a_constant_is_chosen_by_the_graph():
    assert choosers(lambda: tf.constant("/etc/passwd")) == {"graph"}


def merged(first: str, second: str) -> tf.Tensor:
    """One of two constants, chosen by a cond of TensorFlow 1 at run time."""
    tf.compat.v1.disable_control_flow_v2()
    try:
        predicate = tf.compat.v1.placeholder(tf.bool, [])
        return tf.compat.v1.cond(predicate, lambda: tf.constant(first), lambda: tf.constant(second))
    finally:
        tf.compat.v1.enable_control_flow_v2()


def test_a_suffix_that_a_cond_of_tf1_chooses_leaves_the_path_to_the_loader():
    def path(*suffixes: str) -> tf.Tensor:
        return tf.strings.join([tf.compat.v1.placeholder_with_default("model", [], "fed"), merged(*suffixes)])

    assert choosers(lambda: path("_temp/part", ".part"), fed=("fed:0",)) == {"loader"}
    assert choosers(lambda: path("_temp/part", "/../../etc/passwd"), fed=("fed:0",)) == {"loader", "graph"}


def test_a_cond_of_tf1_that_chooses_the_whole_path_is_the_graph_s_choice():
    assert choosers(lambda: merged("/etc/passwd", "/etc/hosts")) == {"graph"}


def test_a_placeholder_is_chosen_by_the_caller():
    assert choosers(lambda: v1.placeholder(tf.string, [])) == {"caller"}


def test_a_placeholder_with_default_is_chosen_by_the_graph():
    assert choosers(lambda: v1.placeholder_with_default("x", [])) == {"graph"}


def test_a_fed_tensor_is_chosen_by_the_loader():
    def join():
        return tf.strings.join([tf.constant("model", name="path"), "_temp_1/part"])

    assert choosers(join, fed=("path:0",)) == {"loader"}
    assert choosers(join) == {"graph"}


def test_a_constant_before_the_loaders_path_makes_it_the_choice_of_the_graph():
    def join():
        return tf.strings.join(["/etc/", v1.placeholder(tf.string, [], name="path")])

    assert "graph" in choosers(join, fed=("path:0",))


def test_a_selection_between_paths_has_the_origins_of_both():
    def chosen():
        return tf.where(v1.placeholder(tf.bool, []), v1.placeholder(tf.string, [], name="path"), "/etc/passwd")

    assert choosers(chosen, fed=("path:0",)) == {"loader", "graph"}


def test_a_path_that_other_ops_compute_is_chosen_by_the_graph():
    assert choosers(lambda: tf.strings.lower(v1.placeholder(tf.string, []))) == {"graph"}


def test_a_path_is_followed_into_calls_and_out_of_them():
    inner = tf.function(lambda path: tf.strings.join([path, "/part"]))
    assert choosers(lambda: inner(v1.placeholder(tf.string, []))) == {"caller"}


def test_an_argument_is_chosen_by_every_caller_in_the_graph_and_outside():
    @tf.function
    def function(path):
        return tf.io.read_file(path, name="read")

    def build():
        tf.identity(function(tf.constant("/etc/passwd")), name="output")

    reached = reach(build, Root("r", node="output"))
    ((body, index),) = reached.nodes(["ReadFile"])
    entries = {body.function: ["asset"]}
    assert set(PathOrigins(reached, (), entries).origins(body, body.inputs(index)[0])) == {"graph", "asset"}


def test_functions_in_attributes_are_sorted_by_attribute_name():
    """protobuf's maps have another order in each process; reports must not."""
    graph = proto.parse("GraphDef", b"")
    names = [f"f{number:02}" for number in range(40)]
    graph.node.add(name="case", op="StatelessCase")
    for name in reversed(names):
        graph.node[0].attr[name].func.name = name
        graph.library.function.add().signature.name = name
    reached = Reach(GraphView(graph), [Root("r", node="case")])
    order = [body.function for body in reached.bodies if body.function is not None]
    assert order in (names, names[::-1])
