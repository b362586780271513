"""Tiny networks of the kinds that modules are built from, and a module."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import tensorflow as tf

from hubcheck import author

HEIGHT, WIDTH, FEATURES, CLASSES = 12, 16, 6, 3
LABELS = ["cat", "dog", "house"]


def random_images(count: int = 4, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    return np.random.default_rng(7).random((count, height, width, 3), dtype=np.float32)


class Net(tf.Module):
    """A network in plain TensorFlow with its own batch normalization."""

    def __init__(self, seed: int = 1) -> None:
        super().__init__()
        normal = np.random.default_rng(seed).normal
        self.kernel = tf.Variable(normal(size=(3, 3, 3, FEATURES)).astype("f"), name="kernel")
        self.mean = tf.Variable(np.zeros(FEATURES, "f"), trainable=False, name="mean")
        self.dense = tf.Variable(normal(size=(FEATURES, CLASSES)).astype("f"), name="dense")

    def convolved(self, images):
        return tf.nn.conv2d(images, self.kernel, strides=2, padding="SAME")

    def normalized(self, x, training):
        if training:
            mean = tf.reduce_mean(x, [0, 1, 2])
            self.mean.assign(0.9 * self.mean + 0.1 * mean)
        else:
            mean = self.mean.read_value()
        return tf.nn.elu(x - mean)


def plain_module(seed: int = 1, *, image_size: tuple[int, int] = (HEIGHT, WIDTH)) -> tuple[author.ImageModule, Net]:
    """A module in plain TensorFlow with both tasks, hidden outputs and an update in training."""
    net = Net(seed)
    module = author.ImageModule("Tiny", image_size)

    @module.feature_vector
    def features(images, training):
        x = net.convolved(images)
        return author.Outputs(tf.reduce_mean(net.normalized(x, training), [1, 2]), hidden={"conv": x})

    @module.classification(classes=LABELS, activation="softmax")
    def logits(features):
        return features @ net.dense

    @module.regularization_loss
    def small():
        return 0.01 * tf.nn.l2_loss(net.kernel)

    return module, net


def keras_model(keras: ModuleType, *, softmax: bool = False):
    """A functional model of Keras 3 or tf_keras with batch normalization, inner dropout and regularizers."""
    layers = keras.layers
    inputs = keras.Input((HEIGHT, WIDTH, 3))
    x = layers.Conv2D(5, 3, strides=2, kernel_regularizer=keras.regularizers.L2(0.01), name="conv")(inputs)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.Activation("silu", name="act")(x)
    x = layers.Dropout(0.4, name="drop")(x)
    x = layers.Conv2D(FEATURES, 3, name="conv2")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dropout(0.4, name="last_drop")(x)
    x = layers.Dense(CLASSES, kernel_regularizer=keras.regularizers.L2(0.02), name="logits")(x)
    if softmax:
        x = layers.Softmax(name="probabilities")(x)
    model = keras.Model(inputs, x, name="tiny")
    model(random_images(2))
    return model
