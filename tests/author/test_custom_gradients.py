"""Gradients of tf.custom_gradient are kept where the format can, and missed aloud where it cannot."""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from hubcheck import author, hub
from tests.author.networks import HEIGHT, WIDTH, random_images

IMAGES = random_images()


@tf.custom_gradient
def rounded(x):
    """Round, with the gradient of the identity: the straight-through estimator."""
    return tf.round(x), lambda upstream: upstream


@tf.custom_gradient
def clipped_sign(x):
    """Return the sign, with a gradient that depends on the argument."""
    return tf.sign(x), lambda upstream: upstream * tf.cast(tf.abs(x) < 1, tf.float32)


@tf.custom_gradient
def opaque(x):
    """Compute by an op without a gradient, as a program of JAX is."""
    x4 = x[:, tf.newaxis, :, tf.newaxis]
    return tf.raw_ops.AdjustContrastv2(images=x4, contrast_factor=2.0)[:, 0, :, 0], lambda upstream: upstream


class Quantized(tf.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function
        normal = np.random.default_rng(3).normal
        self.first = tf.Variable(normal(size=(3, 4)).astype("f"), name="first")
        self.second = tf.Variable(normal(size=(4, 5)).astype("f"), name="second")

    def features(self, images):
        return self.function(tf.reduce_mean(images, [1, 2]) @ self.first) @ self.second


def module_of(net) -> author.ImageModule:
    module = author.ImageModule("Net", (HEIGHT, WIDTH))
    module.feature_vector(net.features)
    return module


def saved(net, path, **options):
    spec = tf.TensorSpec([None, HEIGHT, WIDTH, 3], tf.float32, name="images")
    net.serve = tf.function(lambda images: {"out": net.features(images)}, input_signature=[spec])
    tf.saved_model.save(net, str(path), signatures={"serving_default": net.serve}, **options)


def gradients(function, variables):
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(function() ** 2)
    return tape.gradient(loss, variables)


@pytest.mark.parametrize("source", ["functions", "a SavedModel"])
@pytest.mark.parametrize("function", [rounded, clipped_sign, opaque])
def test_a_tf2_module_trains_as_its_source(tmp_path, function, source):
    net = Quantized(function)
    wanted = gradients(lambda: net.features(IMAGES), [net.first, net.second])
    assert np.any(wanted[0] != 0)
    if source == "functions":
        module = module_of(net)
    else:
        saved(net, tmp_path / "old")
        module = author.from_saved_model(tmp_path / "old", architecture="Net", features="out", pixels=(0, 1))
    made = module.export(tmp_path / "m", probe=False)
    loaded = hub.Module(made.path, trainable=True, tags={"train"})
    assert [variable.name for variable in loaded.trainable_variables] == ["first:0", "second:0"]
    for found, expected in zip(gradients(lambda: loaded(IMAGES), loaded.trainable_variables), wanted, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_gradients_are_kept_in_functions_of_a_saved_model(tmp_path):
    """Calls are inlined; the gradients use arguments of an inner function."""
    net = Quantized(clipped_sign)
    net.function = tf.function(lambda x: clipped_sign(clipped_sign(x) * x))
    wanted = gradients(lambda: net.features(IMAGES), [net.first, net.second])
    saved(net, tmp_path / "old")
    module = author.from_saved_model(tmp_path / "old", architecture="Net", features="out", pixels=(0, 1))
    made = module.export(tmp_path / "m", probe=False)
    again = author.from_saved_model(made.path, architecture="Net", features="default", pixels=(0, 1))
    for folder in (made.path, again.export(tmp_path / "again", probe=False).path):
        loaded = hub.Module(folder, trainable=True)
        found = gradients(lambda module=loaded: module(IMAGES), loaded.trainable_variables)
        for one, expected in zip(found, wanted, strict=True):
            np.testing.assert_allclose(one, expected, rtol=1e-4, atol=1e-5)


def test_a_gradient_that_the_source_does_not_store_is_missed_aloud(tmp_path):
    net = Quantized(rounded)
    saved(net, tmp_path / "old", options=tf.saved_model.SaveOptions(experimental_custom_gradients=False))
    # In another process the gradient is not registered by the name that it has in this one.
    proto = tmp_path / "old" / "saved_model.pb"
    renamed = re.sub(rb"(?<=CustomGradient-)\d+", lambda number: b"9" * len(number[0]), proto.read_bytes())
    proto.write_bytes(renamed)
    module = author.from_saved_model(tmp_path / "old", architecture="Net", features="out", pixels=(0, 1))
    with pytest.warns(author.AuthorWarning, match="cannot be kept"):
        made = module.export(tmp_path / "m", probe=False)
    np.testing.assert_allclose(hub.Module(made.path)(IMAGES), net.features(IMAGES), rtol=1e-5)


@pytest.mark.parametrize("function", [rounded, clipped_sign, opaque])
def test_a_tf1_module_names_the_variables_that_no_gradient_reaches(tmp_path, function):
    """The others have one, also where TensorFlow would raise: see `opaque`."""
    net = Quantized(function)
    with pytest.warns(author.AuthorWarning, match="none reaches the variables first[.]"):
        made = module_of(net).export(tmp_path / "m", format="tf1-hub", probe=False)
    assert "none reaches the variables first." in (made.path / "MODULE.md").read_text()
    loaded = hub.Module(made.path, trainable=True, tags={"train"})
    first, second = gradients(lambda: loaded(IMAGES), loaded.trainable_variables)
    assert first is None or not np.any(first)
    np.testing.assert_allclose(second, gradients(lambda: net.features(IMAGES), [net.second])[0], rtol=1e-4)


def test_plain_gradients_instead_of_custom_ones_are_noted(tmp_path):
    @tf.custom_gradient
    def scaled(x):
        return x * 2.0, lambda upstream: upstream * 2.0

    with warnings.catch_warnings():
        warnings.simplefilter("error", author.AuthorWarning)
        made = module_of(Quantized(scaled)).export(tmp_path / "m", format="tf1-hub", probe=False)
        plain = module_of(Quantized(tf.nn.relu)).export(tmp_path / "plain", format="tf1-hub", probe=False)
    assert made.notes == (
        "The format tf1-hub does not store gradients of tf.custom_gradient: training uses the plain ones instead.",
    )
    assert plain.notes == ()


def trained(call, variables, labels, *, rate: float, steps: int) -> list[float]:
    """The losses of gradient descent."""
    losses = []
    for _ in range(steps):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels, call()))
        losses.append(float(loss))
        for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
            variable.assign_sub(rate * gradient)
    return losses


def test_a_program_of_jax_trains_in_tf2_as_in_jax_and_in_tf1_names_its_weights(tmp_path):
    """The source and its losses were written by JAX itself, see jax2tf/make.py."""
    source = Path(__file__).parent / "jax2tf"
    wanted = json.loads((source / "losses.json").read_text())
    module = author.from_saved_model(source / "saved_model", architecture="Net", logits="logits", pixels=(0, 1))
    with pytest.warns(author.AuthorWarning, match="none reaches the variables kernel, dense[.]"):
        made = module.export(tmp_path / "m", format=("tf2", "tf1-hub"), probe=False)
    assert "none reaches the variables kernel, dense." in (made.path / "MODULE.md").read_text()
    images, labels = random_images(6), np.eye(3, dtype="f")[np.arange(6) % 3]
    loaded = hub.Module(made.modules["tf2"], trainable=True, tags={"train"})
    steps = len(wanted["losses"])
    found = trained(lambda: loaded(images), loaded.trainable_variables, labels, rate=wanted["rate"], steps=steps)
    np.testing.assert_allclose(found, wanted["losses"], rtol=1e-4)


def test_rounded_activations_train_to_the_losses_of_their_source(tmp_path):
    net = Quantized(rounded)
    made = module_of(net).export(tmp_path / "m", probe=False)
    labels = np.eye(5, dtype="f")[np.arange(4)]
    loaded = hub.Module(made.path, trainable=True, tags={"train"})
    options = {"labels": labels, "rate": 0.5, "steps": 5}
    found = trained(lambda: loaded(IMAGES), loaded.trainable_variables, **options)
    wanted = trained(lambda: net.features(IMAGES), [net.first, net.second], **options)
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    assert wanted[-1] < wanted[0]
