"""Networks with and without dropout on their output, as people write them: the table of test_dropout.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

HEIGHT, WIDTH, CHANNELS = 6, 5, 4


class Weights(tf.Module):
    """What the networks below are made of."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = tf.Variable(tf.random.stateless_normal([3, 3, 3, CHANNELS], [1, 2]), name="kernel")
        self.second = tf.Variable(tf.random.stateless_normal([3, 3, CHANNELS, CHANNELS], [1, 3]), name="second")
        self.dense = tf.Variable(tf.random.stateless_normal([CHANNELS, CHANNELS], [1, 4]), name="dense")
        self.scale = tf.Variable(tf.ones([CHANNELS]), name="scale")
        self.kept = tf.Variable(tf.ones([CHANNELS]), name="kept", trainable=False)
        self.seed = tf.Variable([3, 4], dtype=tf.int32, name="seed", trainable=False)
        self.generator = tf.random.Generator.from_seed(1)
        self.held: list[Any] = []

    def map(self, images: tf.Tensor) -> tf.Tensor:
        """[batch, 6, 5, 4]: a convolution."""
        return tf.nn.relu(tf.nn.conv2d(images, self.kernel, 1, "SAME"))

    def features(self, images: tf.Tensor) -> tf.Tensor:
        """[batch, 4]: a convolution, pooled."""
        return tf.reduce_mean(self.map(images), [1, 2])


Build = Callable[[Weights, tf.Tensor], tf.Tensor]


@dataclass(frozen=True)
class Construction:
    """A network; `masked` is the verdict, `rate` what a finding says of the rate, `layer` of the layer."""

    build: Build
    masked: bool
    rate: float | None = None
    layer: str | None = None

    @property
    def name(self) -> str:
        return self.build.__name__.replace("_", " ")


def dropout_on_output(*, rate: float | None = None, layer: str | None = None) -> Callable[[Build], Construction]:
    """Marks a network with dropout on its output."""
    return lambda build: Construction(build, True, rate, layer)


def no_dropout_on_output(build: Build) -> Construction:
    """Marks a network that has none there, whatever it has inside."""
    return Construction(build, False)


def constructions(module: Any) -> list[Construction]:
    """The constructions that a Python module defines, in their order."""
    return [value for value in vars(module).values() if isinstance(value, Construction)]


def mask(x: tf.Tensor, keep: float = 0.75) -> tf.Tensor:
    """1 for entries to keep, 0 for others."""
    return tf.cast(tf.random.uniform(tf.shape(x)) < keep, x.dtype)
