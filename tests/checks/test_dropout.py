"""Constructions with and without dropout on the output, saved by TensorFlow and read back from files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
import tensorflow as tf

from hubcheck.checks.context import Context
from hubcheck.checks.dropout import no_dropout
from hubcheck.contract import load_contracts
from hubcheck.findings import Fault, Skip
from hubcheck.module.reader import read
from hubcheck.module.types import Module
from tests.graph import masked_tf2, unmasked_tf2
from tests.graph.constructions import HEIGHT, WIDTH, Construction, Weights, constructions

CONTRACTS = load_contracts()
TF2 = constructions(masked_tf2) + constructions(unmasked_tf2)
IMAGES = tf.TensorSpec([None, HEIGHT, WIDTH, 3], tf.float32, name="images")


def only(module: Module, signature: str) -> Module:
    """The module as it would be with this signature as its image_feature_vector, and no other."""
    (variant,) = module.variants
    kept = replace(variant.signatures[signature], key="image_feature_vector")
    return replace(module, variants=(replace(variant, signatures={"image_feature_vector": kept}),), objects=None)


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


def verdict(module: Module) -> Sequence[Fault | Skip]:
    return list(no_dropout(Context(module, CONTRACTS)))


def check(construction: Construction, module: Module) -> None:
    said = verdict(only(module, key(construction)))
    assert all(isinstance(item, Fault) for item in said), said
    assert bool(said) == construction.masked, said
    if construction.rate is not None:
        assert [item.details["rate"] for item in said if isinstance(item, Fault)] == [f"{construction.rate:g}"]
    if construction.layer is not None:
        assert [item.details["layer"] for item in said if isinstance(item, Fault)] == [construction.layer]


@pytest.mark.parametrize("construction", TF2, ids=lambda construction: construction.name)
def test_tensorflow_2(construction: Construction, saved_tf2: Module) -> None:
    check(construction, saved_tf2)
