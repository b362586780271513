"""What findings of output/no-dropout say, and in which parts of a module they are looked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import tensorflow as tf
import tensorflow.compat.v1 as tf1

from hubcheck.checks.context import Context
from hubcheck.checks.dropout import no_dropout
from hubcheck.checks.faults import Fault, Skip
from hubcheck.module.reader import read
from hubcheck.module.types import Module
from hubcheck.rulebook.contract import load_contracts
from tests.checks.observed import answer
from tests.graph.constructions import HEIGHT, WIDTH, Weights
from tests.graph.graphs import graph_of, images, module_of, variant_of

CONTRACTS = load_contracts()
IMAGES = tf.TensorSpec([None, HEIGHT, WIDTH, 3], tf.float32, name="images")


def answers(module: Module) -> list[Fault | Skip]:
    return answer(no_dropout(Context(module, CONTRACTS)))


def faults(module: Module) -> list[Fault]:
    found = answers(module)
    assert all(isinstance(item, Fault) for item in found), found
    return [item for item in found if isinstance(item, Fault)]


def graph(**outputs: Callable[[tf.Tensor], tf.Tensor]) -> object:
    """A graph with an output by each keyword, named like it."""

    def build() -> None:
        x = tf.reduce_mean(images(), [1, 2])
        for name, function in outputs.items():
            tf.identity(function(x), name=name)

    return graph_of(build)


def dropped(x: tf.Tensor) -> tf.Tensor:
    return tf.nn.dropout(x, 0.25, name="top_dropout")


def test_a_finding_names_output_node_rate_and_layer() -> None:
    module = module_of(variant_of(graph(out=dropped), {"default": "out:0"}))
    (fault,) = faults(module)
    assert (fault.where.variant, fault.where.signature, fault.where.side, fault.where.key) == (
        "serve",
        "image_feature_vector",
        "outputs",
        "default",
    )
    assert fault.where.node is not None
    assert (fault.where.node.name, fault.where.node.op, fault.where.node.function) == (
        "top_dropout/SelectV2",
        "SelectV2",
        None,
    )
    assert fault.details == {"layer": "top_dropout", "rate": "0.25"}
    assert fault.level is None


def test_dropout_on_another_output_is_a_warning() -> None:
    module = module_of(
        variant_of(graph(out=tf.identity, hidden=dropped), {"default": "out:0", "Net/hidden": "hidden:0"})
    )
    (fault,) = faults(module)
    assert (fault.level, fault.where.key) == ("warning", "Net/hidden")


def test_a_mask_on_both_the_default_and_another_output_is_one_error() -> None:
    outputs = {"Net/hidden": "out:0", "default": "out:0"}
    (fault,) = faults(module_of(variant_of(graph(out=dropped), outputs)))
    assert (fault.level, fault.where.key) == (None, "default")


def test_each_masking_layer_is_reported() -> None:
    def two(x: tf.Tensor) -> tf.Tensor:
        return tf.concat([tf.nn.dropout(x, 0.1), tf.nn.dropout(x, 0.2)], -1)

    found = faults(module_of(variant_of(graph(out=two), {"default": "out:0"})))
    assert sorted(str(fault.details["rate"]) for fault in found) == ["0.1", "0.2"]


def test_every_variant_is_looked_at() -> None:
    quiet = variant_of(graph(out=tf.identity), {"default": "out:0"})
    noisy = variant_of(graph(out=dropped), {"default": "out:0"}, tags=("train",))
    (fault,) = faults(module_of(quiet, noisy))
    assert fault.where.variant == "train"


def test_signatures_that_the_convention_does_not_speak_of_are_the_publishers_business() -> None:
    assert faults(module_of(variant_of(graph(out=dropped), {"default": "out:0"}, signature="augment"))) == []


def test_a_second_input_does_not_make_a_mask_depend_on_the_images() -> None:
    def fed(x: tf.Tensor) -> tf.Tensor:
        return tf.nn.dropout(x, tf1.placeholder(tf.float32, [], "rate"))

    inputs = {"images": "images:0", "rate": "rate:0"}
    assert faults(module_of(variant_of(graph(out=fed), {"default": "out:0"}, inputs=inputs)))


def test_a_default_that_a_signature_feeds_is_no_constant() -> None:
    def branch(x: tf.Tensor) -> tf.Tensor:
        training = tf1.placeholder_with_default(False, [], "training")
        return tf1.cond(training, lambda: dropped(x), lambda: tf.identity(x))

    built = graph(out=branch)
    assert faults(module_of(variant_of(built, {"default": "out:0"}))) == []
    inputs = {"images": "images:0", "training": "training:0"}
    assert faults(module_of(variant_of(built, {"default": "out:0"}, inputs=inputs)))


@pytest.mark.parametrize("op", ["PyFunc", "MyCompanysDropout", "XlaCallModule"])
def test_an_op_that_hides_what_it_does_leaves_the_question_open(op: str) -> None:
    built = graph(out=lambda x: tf.nn.relu(tf.nn.elu(x, name="hidden")))
    for node in built.node:  # type: ignore[attr-defined]
        if node.name == "hidden":
            node.op = op
    (skip,) = answers(module_of(variant_of(built, {"default": "out:0"})))
    assert isinstance(skip, Skip) and skip.undecided and op in skip.reason


def test_functions_that_call_themselves_leave_the_question_open() -> None:
    inner = tf.function(dropped)
    built = graph(out=inner)
    function = built.library.function[0]  # type: ignore[attr-defined]
    call = function.node_def.add(name="again", op="PartitionedCall", input=["x"])
    call.attr["f"].func.name = function.signature.name
    call.attr["Tin"].list.type.append(1)
    call.attr["Tout"].list.type.append(1)
    function.ret[next(iter(function.ret))] = "again:output:0"
    found = answers(module_of(variant_of(built, {"default": "out:0"})))
    assert found and all(isinstance(item, Skip) and item.undecided for item in found)


def test_loops_without_an_end_and_edges_to_nowhere_do_no_harm() -> None:
    built = graph(out=lambda x: tf.nn.relu(dropped(x), name="turn"))
    for node in built.node:  # type: ignore[attr-defined]
        if node.name == "turn":
            node.input[:] = ["out", "nowhere:7"]
    assert answers(module_of(variant_of(built, {"default": "out:0", "Net/gone": "gone:3"}))) == []


class Encoder(Weights):
    """A callable with an argument for training; `masks` says when it drops features."""

    def __init__(self, masks: Callable[[bool], bool]) -> None:
        super().__init__()
        self.masks = masks

    @tf.function
    def __call__(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        x = self.features(images)
        return tf.nn.dropout(x, 0.5) if self.masks(training) else x


@pytest.fixture
def saved(tmp_path: Path) -> Iterator[Callable[[Encoder], Module]]:
    def save(encoder: Encoder) -> Module:
        for training in (False, True):
            encoder.__call__.get_concrete_function(IMAGES, training=training)
        signature = tf.function(lambda images: {"default": encoder(images)}, input_signature=[IMAGES])
        tf.saved_model.save(encoder, str(tmp_path), signatures={"image_feature_vector": signature})
        return read(tmp_path)

    yield save


def test_the_callable_is_looked_at_where_it_trains(saved: Callable[[Encoder], Module]) -> None:
    (fault,) = faults(saved(Encoder(lambda training: training)))
    assert (fault.where.signature, fault.where.trace, fault.where.key) == (None, "training=True", None)
    assert fault.where.node is not None and fault.where.node.function is not None


def test_a_fault_of_signature_and_callable_is_reported_once_with_all_places(saved: Callable[[Encoder], Module]) -> None:
    (fault,) = faults(saved(Encoder(lambda training: True)))
    assert fault.where.signature == "image_feature_vector"
    assert "also in training=False, training=True" in fault.found


def test_a_callable_without_dropout_has_no_finding(saved: Callable[[Encoder], Module]) -> None:
    assert faults(saved(Encoder(lambda training: False))) == []


class Switched(Weights):
    """A callable whose training flag is a tensor, or a constant that it captures."""

    def __init__(self, captured: bool | None = None) -> None:
        super().__init__()
        self.flag = None if captured is None else tf.constant(captured)

    @tf.function
    def __call__(self, images: tf.Tensor, training: tf.Tensor) -> tf.Tensor:
        x = self.features(images)
        flag = training if self.flag is None else self.flag
        return tf.cond(flag, lambda: tf.nn.dropout(x, 0.5), lambda: tf.identity(x))


@pytest.mark.parametrize(("captured", "masked"), [(None, True), (True, True), (False, False)])
def test_a_condition_on_a_tensor_or_a_captured_constant(captured: bool | None, masked: bool, tmp_path: Path) -> None:
    encoder = Switched(captured)
    encoder.__call__.get_concrete_function(IMAGES, tf.TensorSpec([], tf.bool, name="training"))
    tf.saved_model.save(encoder, str(tmp_path), signatures={})
    assert bool(faults(read(tmp_path))) == masked
