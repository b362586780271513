"""Dropout in TensorFlow 2, and then something through which a mask on the output still shows."""

from __future__ import annotations

import tensorflow as tf

from tests.graph.constructions import CHANNELS, Weights, dropout_on_output


@dropout_on_output()
def dropout_then_relu(w: Weights, images: tf.Tensor) -> tf.Tensor:
    return tf.nn.relu(tf.nn.dropout(w.features(images), 0.5))


@dropout_on_output()
def dropout_then_leaky_relu_clip_and_tanh(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = tf.nn.leaky_relu(tf.nn.dropout(w.features(images), 0.5))
    return tf.tanh(tf.clip_by_value(x, 0.0, 6.0))


@dropout_on_output()
def dropout_then_swish(w: Weights, images: tf.Tensor) -> tf.Tensor:
    return tf.nn.silu(tf.nn.dropout(w.features(images), 0.5))


@dropout_on_output()
def dropout_then_gelu(w: Weights, images: tf.Tensor) -> tf.Tensor:
    return tf.nn.gelu(tf.nn.dropout(w.features(images), 0.5), approximate=True)


@dropout_on_output()
def dropout_then_prelu(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = tf.nn.dropout(w.features(images), 0.5)
    return tf.nn.relu(x) - w.scale * tf.nn.relu(-x)


@dropout_on_output()
def dropout_then_crelu(w: Weights, images: tf.Tensor) -> tf.Tensor:
    return tf.nn.crelu(tf.nn.dropout(w.features(images), 0.5))


@dropout_on_output()
def dropout_then_reshape(w: Weights, images: tf.Tensor) -> tf.Tensor:
    return tf.reshape(tf.nn.dropout(w.map(images), 0.5), [-1, 120])


@dropout_on_output()
def dropout_then_transpose_and_reshape(w: Weights, images: tf.Tensor) -> tf.Tensor:
    return tf.reshape(tf.transpose(tf.nn.dropout(w.map(images), 0.5), [0, 3, 1, 2]), [-1, 120])


@dropout_on_output()
def dropout_then_l2_normalisation(w: Weights, images: tf.Tensor) -> tf.Tensor:
    return tf.nn.l2_normalize(tf.nn.dropout(w.features(images), 0.5), -1)


@dropout_on_output()
def dropout_then_unit_norm_by_division(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = tf.nn.dropout(w.features(images), 0.5)
    return x / tf.norm(x, axis=-1, keepdims=True)


@dropout_on_output()
def dropout_then_batch_normalisation(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = tf.nn.dropout(w.features(images), 0.5)
    mean, variance = tf.nn.moments(x, [0])
    return tf.nn.batch_normalization(x, mean, variance, w.scale, w.scale, 1e-3)


@dropout_on_output()
def dropout_then_batch_normalisation_with_moving_averages(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = tf.nn.dropout(w.features(images), 0.5)
    return (x - w.scale) * tf.math.rsqrt(w.scale + 1e-3) * w.scale + w.scale


@dropout_on_output()
def dropout_then_fused_batch_normalisation(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = tf.nn.dropout(w.map(images), 0.5, noise_shape=[1, 1, 1, CHANNELS])
    x, _, _ = tf.compat.v1.nn.fused_batch_norm(x, w.scale, w.scale)
    return tf.reduce_max(x, [1, 2])


@dropout_on_output()
def dropout_then_layer_normalisation(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = tf.nn.dropout(w.features(images), 0.5)
    mean = tf.reduce_mean(x, -1, keepdims=True)
    variance = tf.reduce_mean(tf.square(x - mean), -1, keepdims=True)
    return (x - mean) / tf.sqrt(variance + 1e-6) * w.scale + w.scale


@dropout_on_output()
def dropout_then_standardisation_within_a_function(w: Weights, images: tf.Tensor) -> tf.Tensor:
    @tf.function
    def moments(x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.nn.moments(x, [-1], keepdims=True)

    x = tf.nn.dropout(w.features(images), 0.5)
    mean, variance = moments(x)
    return (x - mean) * tf.math.rsqrt(variance + 1e-6)


@dropout_on_output()
def dropout_then_bias_and_scale(w: Weights, images: tf.Tensor) -> tf.Tensor:
    return tf.nn.bias_add(tf.nn.dropout(w.features(images), 0.5) * w.scale, w.scale)


@dropout_on_output()
def dropout_then_noise_added(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = tf.nn.dropout(w.features(images), 0.5)
    return x + tf.random.normal(tf.shape(x), stddev=0.01)


@dropout_on_output()
def dropout_on_one_of_two_concatenated_parts(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = w.features(images)
    return tf.concat([x, tf.nn.dropout(x, 0.5)], -1)


@dropout_on_output()
def dropout_then_slice_stack_pad_tile_and_gather(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = tf.nn.dropout(w.features(images), 0.5)
    left, right = tf.split(x, 2, axis=-1)
    x = tf.stack([left, tf.reverse(right, [-1])], axis=1)
    x = tf.tile(tf.pad(x[:, :1], [[0, 0], [0, 1], [0, 0]]), [1, 1, 2])
    return tf.gather(tf.reshape(x, [-1, 8]), [3, 1, 0, 5, 6], axis=-1)


@dropout_on_output()
def dropout_then_identities(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = tf.identity(tf.stop_gradient(tf.nn.dropout(w.features(images), 0.5)))
    x = tf.debugging.check_numerics(tf.ensure_shape(x, [None, CHANNELS]), "not finite")
    return tf.identity_n([tf.constant(1.0), x])[1]


@dropout_on_output()
def dropout_in_half_precision(w: Weights, images: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.nn.dropout(tf.cast(w.features(images), tf.float16), 0.5), tf.float32)


@dropout_on_output()
def dropout_then_a_custom_gradient(w: Weights, images: tf.Tensor) -> tf.Tensor:
    @tf.custom_gradient
    def clipped(x: tf.Tensor) -> tuple[tf.Tensor, object]:
        return x, lambda upstream: tf.clip_by_value(upstream, -1.0, 1.0)

    return clipped(tf.nn.dropout(w.features(images), 0.5))
