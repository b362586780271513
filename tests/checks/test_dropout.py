"""Constructions with and without dropout on the output, saved by TensorFlow and read back from files."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import replace

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
from tests.graph import dropout_tf1, masked_tf2, masked_then_tf2, unmasked_tf2
from tests.graph.constructions import HEIGHT, WIDTH, Construction, Weights, constructions
from tests.graph.dropout_keras import CONSTRUCTIONS as KERAS
from tests.graph.dropout_keras import KerasConstruction
from tests.releases import cannot

pytestmark = pytest.mark.slow

CONTRACTS = load_contracts()
TF1 = constructions(dropout_tf1)
TF2 = [*constructions(masked_tf2), *constructions(masked_then_tf2), *constructions(unmasked_tf2)]
IMAGES = tf.TensorSpec([None, HEIGHT, WIDTH, 3], tf.float32, name="images")


def only(module: Module, signature: str) -> Module:
    """The module as it would be with this signature as its image_feature_vector in training, and no other.

    In inference, a mask from a constant seed is a weight.
    """
    (variant,) = module.variants
    kept = replace(variant.signatures[signature], key="image_feature_vector")
    training = replace(variant, tags=("serve", "train"), signatures={"image_feature_vector": kept})
    return replace(module, variants=(training,), objects=None)


def key(construction: Construction) -> str:
    return construction.build.__name__


@pytest.fixture(scope="module")
def saved_tf2(tmp_path_factory: pytest.TempPathFactory) -> Module:
    """All TF2 constructions as signatures of one SavedModel."""
    weights = Weights()

    def signature(construction: Construction) -> Callable[..., object]:
        return tf.function(
            lambda images: {"default": construction.build(weights, images)}, input_signature=[IMAGES], autograph=False
        )

    path = tmp_path_factory.mktemp("dropout") / "tf2"
    tf.saved_model.save(weights, str(path), signatures={key(c): signature(c) for c in TF2})
    module = read(path)
    assert not module.problems
    return module


@pytest.fixture(scope="module")
def saved_tf1(tmp_path_factory: pytest.TempPathFactory) -> Module:
    """All TF1 constructions as signatures of one graph, with the control flow of TF1."""
    path = tmp_path_factory.mktemp("dropout") / "tf1"
    tf1.disable_control_flow_v2()
    try:
        with tf.Graph().as_default(), tf1.Session() as session:
            images = tf1.placeholder(tf.float32, IMAGES.shape, "images")
            weights = dropout_tf1.OldWeights()
            outputs = {key(c): c.build(weights, images) for c in TF1}
            session.run(tf1.global_variables_initializer())
            signatures = {
                name: tf1.saved_model.predict_signature_def({"images": images}, {"default": output})
                for name, output in outputs.items()
            }
            builder = tf1.saved_model.Builder(str(path))
            builder.add_meta_graph_and_variables(session, ["serve"], signatures)
            builder.save()
    finally:
        tf1.enable_control_flow_v2()
    return read(path)


@pytest.fixture(scope="module", params=["keras", "tf_keras"])
def saved_keras(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Module:
    """All Keras models, as they compute when they train, as signatures of one SavedModel."""
    keras = importlib.import_module(request.param)
    holder = tf.Module()
    holder.held = []

    def signature(construction: KerasConstruction) -> Callable[..., object]:
        model = construction.model(keras)
        holder.held.append([getattr(v, "value", None) if request.param == "keras" else v for v in model.variables])
        return tf.function(lambda images: {"default": model(images, training=True)}, input_signature=[IMAGES])

    path = tmp_path_factory.mktemp("dropout") / request.param
    made = [c for c in KERAS if cannot(keras, c.name) is None]
    tf.saved_model.save(holder, str(path), signatures={c.name.replace(" ", "_"): signature(c) for c in made})
    return read(path)


def verdict(module: Module) -> Sequence[Fault | Skip]:
    return answer(no_dropout(Context(module, CONTRACTS)))


def check(construction: Construction | KerasConstruction, module: Module) -> None:
    name = key(construction) if isinstance(construction, Construction) else construction.name.replace(" ", "_")
    answers = verdict(only(module, name))
    assert all(isinstance(item, Fault) for item in answers), answers
    assert bool(answers) == construction.masked, answers
    if isinstance(construction, Construction) and construction.rate is not None:
        assert [item.details["rate"] for item in answers if isinstance(item, Fault)] == [f"{construction.rate:g}"]
    if construction.layer is not None:
        (layer,) = (str(item.details["layer"]) for item in answers if isinstance(item, Fault))
        # Keras 3 numbers a layer's scope when it is called a second time.
        assert layer.removesuffix("_1").endswith(construction.layer)


@pytest.mark.parametrize("construction", TF2, ids=lambda construction: construction.name)
def test_tensorflow_2(construction: Construction, saved_tf2: Module) -> None:
    check(construction, saved_tf2)


@pytest.mark.parametrize("construction", TF1, ids=lambda construction: construction.name)
def test_tensorflow_1(construction: Construction, saved_tf1: Module) -> None:
    check(construction, saved_tf1)


@pytest.mark.parametrize("construction", KERAS, ids=lambda construction: construction.name)
def test_keras(construction: KerasConstruction, saved_keras: Module) -> None:
    if reason := cannot(importlib.import_module(saved_keras.folder.name), construction.name):
        pytest.skip(reason)
    check(construction, saved_keras)
