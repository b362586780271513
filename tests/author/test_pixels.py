"""Pixels: what networks expect of pixel values, by name, by numbers and by a function."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from hubcheck import author, hub
from tests.author.networks import HEIGHT, WIDTH, keras_model, random_images
from tests.author.test_keras import cut, export

IMAGES = random_images()


KEPT: list = []


def preprocess_input(images):
    """Keep a tensor from the first call, as preprocess_input of efficientnet does."""
    if not KEPT:
        KEPT.append(tf.constant([0.5, 0.4, 0.3]))
    return images - KEPT[0]


def test_a_pixel_function_may_keep_a_tensor_from_its_first_call(keras, tmp_path):
    KEPT.clear()
    model = keras_model(keras)
    module = author.from_keras(model, architecture="Net", features="pool", pixels=preprocess_input)
    made = export(module, tmp_path / "m")
    wanted = cut(keras, model, "pool")(IMAGES - [0.5, 0.4, 0.3], training=False)
    for folder in made.modules.values():
        np.testing.assert_allclose(hub.Module(folder)(IMAGES), wanted, rtol=1e-4, atol=1e-6)


def test_a_tensor_of_another_trace_is_refused(tmp_path):
    kept = []
    module = author.ImageModule("Net", (HEIGHT, WIDTH))

    @module.feature_vector
    def features(images):
        if not kept:
            kept.append(tf.constant([0.5, 0.4, 0.3]))
        return tf.reduce_mean(images, [1, 2]) - kept[0]

    with pytest.raises(author.AuthorError, match="while another function was traced"):
        module.export(tmp_path / "m", format="tf1-hub", probe=False)


@pytest.mark.parametrize("mode", ["tf", "caffe", "torch"])
def test_pixels_by_name_are_those_of_preprocess_input(tmp_path, mode):
    import keras

    layers = [keras.Input((HEIGHT, WIDTH, 3)), keras.layers.Conv2D(4, 3), keras.layers.GlobalMaxPooling2D(name="pool")]
    model = keras.Sequential(layers)
    module = author.from_keras(model, architecture="Net", features="pool", pixels=mode)
    made = export(module, tmp_path / "m")
    wanted = model(keras.applications.imagenet_utils.preprocess_input(IMAGES * 255, mode=mode))
    for folder in made.modules.values():
        np.testing.assert_allclose(hub.Module(folder)(IMAGES), wanted, rtol=1e-4, atol=1e-3)


def test_pixels_are_scaled_reordered_and_normalized(tmp_path):
    import keras

    model = keras.Sequential([keras.Input((HEIGHT, WIDTH, 3)), keras.layers.GlobalAveragePooling2D(name="pool")])
    pixels = author.Pixels(0, 255, mean=(1, 2, 3), std=4, bgr=True)
    made = export(author.from_keras(model, architecture="Net", features="pool", pixels=pixels), tmp_path / "m")
    wanted = model((IMAGES[..., ::-1] * 255 - [1, 2, 3]) / 4)
    for folder in made.modules.values():
        np.testing.assert_allclose(hub.Module(folder)(IMAGES), wanted, rtol=1e-4)
    note = "scaled to [0, 255], reordered to BGR, normalized by mean 1, 2, 3 and std 4"
    assert note in (made.path / "MODULE.md").read_text()


@pytest.mark.parametrize("given", [{"mean": (1, 2)}, {"std": "x"}, {"std": 0}, {"low": 1}])
def test_unusable_pixels_are_an_error(given):
    with pytest.raises(author.AuthorError) as caught:
        author.Pixels(**given)
    assert caught.value.rule == "image-input/value-range"


def test_a_function_without_a_name_is_not_named_in_the_documentation(keras, tmp_path):
    module = author.from_keras(keras_model(keras), architecture="Net", features="pool", pixels=lambda images: images)
    export(module, tmp_path / "m", format="tf2")
    assert "converted by a function of the publisher's" in (tmp_path / "m" / "MODULE.md").read_text()
