"""Families of keras.applications: both formats conform and compute what the model computes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from hubcheck import author, hub
from tests.author.networks import random_images

APPLICATIONS = keras.applications


@dataclass(frozen=True)
class Family:
    """How to build a small model of the family, its features layer, and the pixels it expects."""

    build: Any
    features: str
    pixels: Any
    size: int = 32
    options: tuple[tuple[str, Any], ...] = ()


def caffe(images):
    return APPLICATIONS.resnet50.preprocess_input(images * 255)


def torch(images):
    return APPLICATIONS.densenet.preprocess_input(images * 255)


FAMILIES = {
    "MobileNetV2": Family(APPLICATIONS.MobileNetV2, "global_average_pooling2d", (-1, 1), options=(("alpha", 0.35),)),
    "MobileNetV3": Family(APPLICATIONS.MobileNetV3Small, "global_average_pooling2d", (0, 255)),
    "EfficientNet": Family(APPLICATIONS.EfficientNetB0, "avg_pool", (0, 255)),
    "ResNet": Family(APPLICATIONS.ResNet50, "avg_pool", caffe),
    "DenseNet": Family(APPLICATIONS.DenseNet121, "avg_pool", torch),
    "Inception": Family(APPLICATIONS.InceptionV3, "avg_pool", (-1, 1), size=75),
    "Xception": Family(APPLICATIONS.Xception, "avg_pool", (-1, 1), size=71),
    "ConvNeXt": Family(APPLICATIONS.ConvNeXtTiny, "head_layernorm", (0, 255)),
}


def scaled_to(pixels: Any, images):
    """The input of a model for images in [0, 1]."""
    return pixels(images) if callable(pixels) else images * (pixels[1] - pixels[0]) + pixels[0]


def last_named(model, start: str) -> str:
    """The model's last layer whose name contains `start`: Keras numbers default names."""
    return [layer.name for layer in model.layers if start in layer.name][-1]


QUICK = ("MobileNetV2", "MobileNetV3", "EfficientNet", "ConvNeXt")
"""`make sweep` tests the others too, which takes minutes."""


@pytest.mark.parametrize("name", FAMILIES if "SWEEP" in os.environ else QUICK)
def test_a_family_conforms_and_computes_the_same_values(name, tmp_path):
    family = FAMILIES[name]
    keras.utils.set_random_seed(3)
    size = family.size
    model = family.build(
        input_shape=(size, size, 3), weights=None, classes=7, classifier_activation=None, **dict(family.options)
    )
    features, logits = last_named(model, family.features), model.layers[-1].name
    module = author.from_keras(
        model, architecture=name, features=features, logits=logits, pixels=family.pixels, activation="softmax"
    )
    made = module.export(tmp_path / "m", default="image_feature_vector", format=("tf2", "tf1-hub"), probe=False)
    assert not [finding for finding in made.findings if finding.level != "note"]
    images = random_images(2, size, size)
    both = keras.Model(model.input, [model.get_layer(features).output, model.output])
    scaled = scaled_to(family.pixels, tf.constant(images))
    wanted = [values.numpy().reshape(2, -1) for values in both(scaled, training=False)]
    for folder in made.modules.values():
        loaded = hub.Module(folder)
        found = loaded(images), loaded(images, signature="image_classification")
        for values, source in zip(found, wanted, strict=True):
            # Relative to the largest one: untrained features can be as small as 1e-11.
            assert np.max(np.abs(values - source)) <= 1e-5 * np.max(np.abs(source))
