"""Modules whose callable is all that they are judged on, written with TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

HEIGHT, WIDTH, FEATURES = 24, 32, 8
Call = Callable[..., Any]
Traces = Sequence[tuple[tuple[Any, ...], dict[str, Any]]]


def images(*dims: int | None, dtype: tf.DType = tf.float32) -> tf.TensorSpec:
    return tf.TensorSpec(dims or [None, HEIGHT, WIDTH, 3], dtype, name="images")


def both(*arguments: Any, **options: Any) -> Traces:
    """The traces for both values of `training`."""
    return [(arguments or (images(),), {"training": training, **options}) for training in (False, True)]


class Encoder(tf.Module):
    """A network of one layer. Tests replace its lists, and give it a callable."""

    variables = trainable_variables = None

    def __init__(self) -> None:
        super().__init__()
        self.kernel = tf.Variable(tf.random.stateless_normal([3, 3, 3, FEATURES], seed=[1, 2]), name="kernel")
        self.bias = tf.Variable(tf.zeros([FEATURES]), shape=[None], name="bias")  # the checkpoint tells its shape
        self.variables = self.trainable_variables = [self.kernel, self.bias]
        self.regularization_losses: list[Any] = []

    def features(self, x: tf.Tensor) -> tf.Tensor:
        x = tf.nn.elu(tf.nn.conv2d(x, self.kernel, strides=2, padding="SAME") + self.bias)
        return tf.reduce_mean(x, axis=[1, 2])


def plain(self: Encoder, images: tf.Tensor, training: bool = False) -> tf.Tensor:
    return self.features(tf.cast(images, tf.float32))


def momentum(self: Encoder, images: tf.Tensor, training: bool = False, batch_norm_momentum: float = 0.99) -> tf.Tensor:
    return self.features(images) + 0 * batch_norm_momentum


def endpoints(self: Encoder, images: tf.Tensor, training: bool = False, return_endpoints: bool = False) -> Any:
    return {"all": self.features(images)} if return_endpoints else self.features(images)


def scaled(self: Encoder, images: tf.Tensor, training: bool = False, *, scale: tf.Tensor) -> tf.Tensor:
    return self.features(images) * scale


def flag(self: Encoder, images: tf.Tensor, training: bool) -> tf.Tensor:
    return self.features(images)


def trains(self: Encoder, images: tf.Tensor, training: bool = True) -> tf.Tensor:
    return self.features(images)


def keyword(self: Encoder, *, images: tf.Tensor, training: bool = False) -> tf.Tensor:
    return self.features(images)


def dropped(self: Encoder, images: tf.Tensor, training: bool = False) -> tf.Tensor:
    features = self.features(images)
    return tf.nn.dropout(features, 0.5) if training else features


def wider(self: Encoder, images: tf.Tensor, training: bool = False) -> tf.Tensor:
    features = self.features(images)
    return tf.concat([features, features], axis=1) if training else features


def bytes_wanted(self: Encoder, images: tf.Tensor, training: bool = False) -> tf.Tensor:
    return self.features(images / 255)


def feature_map(self: Encoder, images: tf.Tensor, training: bool = False) -> tf.Tensor:
    return tf.nn.conv2d(images, self.kernel, strides=2, padding="SAME")


def random(self: Encoder, images: tf.Tensor, training: bool = False) -> tf.Tensor:
    return self.features(images) + tf.random.normal([FEATURES])


def not_a_number(self: Encoder, images: tf.Tensor, training: bool = False) -> tf.Tensor:
    return self.features(images) / tf.math.reduce_std(images, axis=[1, 2, 3])[:, None]


def probabilities(self: Encoder, images: tf.Tensor, training: bool = False) -> tf.Tensor:
    return tf.nn.softmax(self.features(images))


def dictionary(self: Encoder, images: tf.Tensor, training: bool = False) -> Mapping[str, tf.Tensor]:
    return {"logits": self.features(images), "map": images}


def text(self: Encoder, text: tf.Tensor) -> tf.Tensor:
    return tf.gather(self.kernel[0, 0], tf.strings.to_hash_bucket_fast(text, 3))


def tokens(self: Encoder, inputs: Mapping[str, tf.Tensor]) -> tf.Tensor:
    return tf.reduce_sum(tf.gather(self.kernel[0, 0], inputs["ids"] % 3), axis=1)


def publish(path: Path, call: Call, traces: Traces, *, signature: str | None = "serving_default") -> None:
    """Write a module with a callable, and its features as a signature."""

    class Callable(Encoder):
        __call__ = tf.function(call)

    module = Callable()
    for arguments, options in traces:
        module.__call__.get_concrete_function(*arguments, **options)

    @tf.function(input_signature=[images()])
    def served(images: tf.Tensor) -> Mapping[str, tf.Tensor]:
        return {"default": module.features(images)}

    names = ["serving_default", signature] if signature is not None else []
    tf.saved_model.save(module, str(path), signatures=dict.fromkeys(names, served))
