"""Networks that are random in training: with a dropout mask on their output, and with randomness that is allowed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.probe.modules import FEATURES, convolved, pooled, tensorflow

Call = Callable[[Any, Any, bool], Any]


def _dropped(rate: float) -> Call:
    def call(images: Any, kernel: Any, training: bool) -> Any:
        tf = tensorflow()
        features = pooled(images, kernel)
        return tf.nn.dropout(features, rate) if training else features

    return call


def _spatial(images: Any, kernel: Any, training: bool) -> Any:
    """Drop whole channels before they are pooled."""
    tf = tensorflow()
    x = tf.nn.elu(convolved(images, kernel))
    if training:
        x = tf.nn.dropout(x, 0.3, noise_shape=[tf.shape(x)[0], 1, 1, FEATURES])
    return tf.reduce_mean(x, axis=[1, 2])


def _masked_by_hand(images: Any, kernel: Any, training: bool) -> Any:
    tf = tensorflow()
    features = pooled(images, kernel)
    return features * tf.floor(tf.random.uniform(tf.shape(features)) + 0.6) if training else features


def _rectified_after(images: Any, kernel: Any, training: bool) -> Any:
    """Half of the features are always 0; the mask is visible on the others."""
    tf = tensorflow()
    features = tf.nn.relu(pooled(images, kernel) - 0.02)
    return tf.nn.dropout(features, 0.4) if training else features


def _half_masked(images: Any, kernel: Any, training: bool) -> Any:
    tf = tensorflow()
    features = pooled(images, kernel)
    if not training:
        return tf.concat([features, -features], axis=1)
    return tf.concat([tf.nn.dropout(features, 0.5), -features], axis=1)


def _inside(images: Any, kernel: Any, training: bool) -> Any:
    tf = tensorflow()
    features = pooled(images, kernel)
    features = tf.nn.dropout(features, 0.5) if training else features
    return tf.matmul(features, tf.random.stateless_normal([FEATURES, FEATURES], [3, 4]))


def _inside_rectified(threshold: float) -> Call:
    """The zeros of the last ReLU change with the noise in front of it, the more the higher the threshold."""

    def call(images: Any, kernel: Any, training: bool) -> Any:
        return tensorflow().nn.relu(_inside(images, kernel, training) - threshold)

    return call


def _stochastic_depth(images: Any, kernel: Any, training: bool) -> Any:
    tf = tensorflow()
    features = pooled(images, kernel)
    branch = tf.tanh(features)
    if training:
        branch *= tf.cast(tf.random.uniform([tf.shape(features)[0], 1]) < 0.7, tf.float32)
    return features + branch


def _noise(images: Any, kernel: Any, training: bool) -> Any:
    tf = tensorflow()
    features = pooled(images, kernel)
    return features * tf.random.normal(tf.shape(features), 1.0, 0.1) if training else features


def _element_wise_before_pooling(images: Any, kernel: Any, training: bool) -> Any:
    tf = tensorflow()
    x = tf.nn.elu(convolved(images, kernel))
    return tf.reduce_mean(tf.nn.dropout(x, 0.5) if training else x, axis=[1, 2])


def _normalised(images: Any, kernel: Any, training: bool) -> Any:
    """Normalize by the statistics of the batch in training; nothing is random."""
    tf = tensorflow()
    x = convolved(images, kernel)
    if training:
        mean, variance = tf.nn.moments(x, axes=[0, 1, 2])
        x = (x - mean) / tf.sqrt(variance + 1e-3)
    return tf.reduce_mean(tf.nn.relu(x), axis=[1, 2])


def _augmented(images: Any, kernel: Any, training: bool) -> Any:
    tf = tensorflow()
    if training:
        images = tf.image.random_flip_left_right(images)
    return pooled(images, kernel)


MASKED: dict[str, Call] = {
    "dropout, rate 0.1": _dropped(0.1),
    "dropout, rate 0.5": _dropped(0.5),
    "dropout, rate 0.9": _dropped(0.9),
    "spatial dropout before pooling": _spatial,
    "a mask by hand": _masked_by_hand,
    "ReLU, then dropout": _rectified_after,
    "dropout on half of the output": _half_masked,
}
UNMASKED: dict[str, Call] = {
    "dropout before the last layer": _inside,
    "dropout before the last layer, then ReLU": _inside_rectified(0.0),
    "dropout before the last layer, then a high threshold": _inside_rectified(0.3),
    "stochastic depth": _stochastic_depth,
    "noise": _noise,
    "element-wise dropout before pooling": _element_wise_before_pooling,
    "batch normalisation": _normalised,
    "random flips": _augmented,
    "nothing random": lambda images, kernel, training: pooled(images, kernel),
}
