"""The view against TensorFlow's own reading of the same graphs."""

from __future__ import annotations

from typing import Any

import pytest
import tensorflow as tf
from tensorflow.python.framework.function_def_to_graph import function_def_to_graph

from hubcheck.graph.dataflow.body import Body
from hubcheck.graph.dataflow.view import GraphView
from hubcheck.graph.op_tables import ops
from hubcheck.module import proto
from tests.graph.graphs import graph_of, images, view_of

v1 = tf.compat.v1


def everything() -> None:
    """Ops with many outputs, lists, nested functions, loops and branches in one graph."""

    @tf.function
    def innermost(x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        normal = tf.raw_ops.FusedBatchNormV3(x=x, scale=[1.0] * 3, offset=[0.0] * 3, mean=[0.0] * 3, variance=[1.0] * 3)
        with tf.control_dependencies([tf.debugging.check_numerics(normal.batch_variance, "not finite")]):
            return normal.y, tf.identity(normal.batch_variance)

    @tf.function
    def inner(x: tf.Tensor, flag: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        y, variance = innermost(x)
        values, indices = tf.math.top_k(tf.reshape(y, [-1, 192]), 3)
        left, right = tf.split(y, 2, axis=1)
        chosen = tf.cond(flag, lambda: left * variance, lambda: right)
        count, looped = tf.while_loop(lambda i, _: i < 3, lambda i, z: (i + 1, z + chosen), (0, left))
        sums = tf.identity_n([looped, tf.cast(count, tf.float32)])
        return sums[0] + sums[1], values + tf.cast(indices, tf.float32)

    x = images()
    flag = v1.placeholder(tf.bool, [], "flag")
    out, _ = inner(x, flag)
    with tf.control_dependencies([tf.raw_ops.NoOp(name="first")]):
        tf.identity(tf.unique(tf.reshape(out, [-1])).idx, name="result")
    tf.switch_case(tf.cast(flag, tf.int32), {0: lambda: out, 1: lambda: out + 1.0, 2: lambda: innermost(out)[0]})


def old_control_flow() -> None:
    x = images()
    flag = v1.placeholder_with_default(False, [], "flag")
    y = v1.cond(flag, lambda: tf.nn.relu(x), lambda: tf.tanh(x))
    v1.while_loop(lambda i, _: i < 3, lambda i, z: (i + 1, z * 2.0), (0, y))


GRAPHS = {
    "functions, branches and loops": graph_of(everything),
    "control flow of TF1": graph_of(old_control_flow, v1_control_flow=True),
}


def references(graph: tf.Graph) -> dict[str, tuple[list[tuple[str, int]], list[str]]]:
    """Every op with the ops and output numbers that feed it, and its control inputs, as TensorFlow says."""
    return {
        op.name: ([(t.op.name, t.value_index) for t in op.inputs], sorted(c.name for c in op.control_inputs))
        for op in graph.get_operations()
        if op.type not in ("Placeholder",) or op.inputs
    }


def ours(body: Body) -> dict[str, tuple[list[tuple[str, int]], list[str]]]:
    return {
        body.names[i]: (
            [(body.names[node], number) for node, number in body.inputs(i)],
            sorted(body.names[node] for node in body.controls(i)),
        )
        for i in body
        if body.ops[i] != "Placeholder"
    }


@pytest.mark.parametrize("name", GRAPHS)
def test_the_main_graph_is_resolved_as_tensorflow_resolves_it(name: str) -> None:
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(GRAPHS[name], name="")
    assert ours(view_of(GRAPHS[name]).main) == references(graph)


def test_function_bodies_are_resolved_as_tensorflow_resolves_them() -> None:
    graph_def = GRAPHS["functions, branches and loops"]
    view = view_of(graph_def)
    with tf.Graph().as_default():
        tf.import_graph_def(graph_def, name="")
        for function in graph_def.library.function:
            graph = function_def_to_graph(function)
            body = view.function(function.signature.name)
            assert body is not None
            assert ours(body) == references(graph)
            assert [(body.names[node], number) for node, number in body.results] == [
                (tensor.op.name, tensor.value_index) for tensor in graph.outputs
            ]
            assert sorted(body.names[node] for node in body.control_results) == sorted(
                op.name for op in graph.control_outputs
            )
    assert len(view.library) > 5


def test_every_function_that_a_node_can_run_is_reached() -> None:
    view = view_of(GRAPHS["functions, branches and loops"])
    assert {body.function for body in view.reachable([view.main])} == {None, *view.library}


def test_only_ops_in_the_table_have_function_valued_attributes() -> None:
    from tensorflow.core.framework import op_def_pb2
    from tensorflow.python.client import pywrap_tf_session

    stock = op_def_pb2.OpList.FromString(pywrap_tf_session.TF_GetBuffer(pywrap_tf_session.TF_GetAllOpList()))
    found = {op.name for op in stock.op if any(a.type in ("func", "list(func)") for a in op.attr)}
    # Ops of another release than the table's are unknown ops, whose attributes are read.
    assert {op for op in found if ops.is_stock(op)} <= ops.function_ops()


def graph(*nodes: str, functions: dict[str, tuple[str, ...]] | None = None) -> GraphView:
    """A GraphDef by hand: "name Op input ..." per node."""
    message = proto.message_class("GraphDef")()

    def add(target: Any, text: str) -> None:
        name, op, *inputs = text.split()
        node = target.add()
        node.name, node.op = name, op
        node.input.extend(inputs)

    for node in nodes:
        add(message.node, node)
    for name, body in (functions or {}).items():
        function = message.library.function.add()
        function.signature.name = name
        for node in body:
            add(function.node_def, node)
    return GraphView(message)


def test_a_reference_to_a_missing_node_is_resolved() -> None:
    view = graph("a Relu gone:3", "b Relu ^gone")
    source, number = view.main.inputs(0)[0]
    assert (view.main.names[source], view.main.ops[source], number) == ("gone", "_Missing", 3)
    assert list(view.main.controls(1)) == [source]
    assert view.main.inputs(source) == ()
    assert view.main.node(source) is None
    assert view.tensor("nowhere:0") is None


def test_functions_that_call_each_other_are_visited_once() -> None:
    view = graph("call f", functions={"f": ("x g",), "g": ("y f", "z missing_function")})
    assert {body.function for body in view.reachable([view.main])} == {None, "f", "g"}


def test_a_missing_function_is_none() -> None:
    assert graph("call PartitionedCall").function("f") is None


def test_functions_called_by_their_name_as_in_tf1_are_calls() -> None:
    view = graph("x Placeholder", "y f x", functions={"f": ("r Relu argument",)})
    assert [call.function for call in view.calls(view.main, 1)] == ["f"]


def test_consumers_take_data_and_not_control() -> None:
    view = graph("x Placeholder", "y Relu x", "z Add x y", "w NoOp ^x")
    assert view.main.consumers == [[1, 2], [2], [], []]
