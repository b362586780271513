"""Graphs as TensorFlow 1 writes them, with and without dropout on the output."""

from __future__ import annotations

import tensorflow as tf
import tensorflow.compat.v1 as tf1
from tensorflow.python.framework import function

from tests.graph.constructions import CHANNELS, Weights, dropout_on_output, no_dropout_on_output


class OldWeights(Weights):
    """The same network of reference variables, as TensorFlow 1 made them, with random initialisers."""

    def __init__(self) -> None:
        def variable(name: str, shape: list[int]) -> tf.Tensor:
            initializer = tf1.random_normal_initializer()
            return tf1.get_variable(name, shape, initializer=initializer, use_resource=False)

        self.kernel = variable("kernel", [3, 3, 3, CHANNELS])
        self.second = variable("second", [3, 3, CHANNELS, CHANNELS])
        self.dense = variable("dense", [CHANNELS, CHANNELS])
        self.scale = variable("scale", [CHANNELS])


@dropout_on_output(rate=0.5, layer="dropout")
def dropout_with_keep_prob(w: Weights, images: tf.Tensor) -> tf.Tensor:
    with tf1.name_scope("dropout/"):
        return tf1.nn.dropout(w.features(images), keep_prob=0.5)


@dropout_on_output(rate=0.25, layer="Net/Dropout_1b")
def dropout_as_it_was_before_1_13(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = w.features(images)
    with tf1.name_scope("Net/Dropout_1b/dropout/"):
        uniform = tf1.random_uniform(tf.shape(x))
        return tf1.div(x, 0.75) * tf.floor(0.75 + uniform)


@dropout_on_output()
def dropout_then_reshape_and_bias(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = tf1.nn.dropout(w.map(images), rate=0.5)
    return tf.nn.bias_add(tf.reshape(x, [-1, CHANNELS]), w.scale)


@dropout_on_output()
def dropout_then_batch_normalisation_of_the_batch(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = tf1.nn.dropout(w.features(images), rate=0.5)
    mean, variance = tf.nn.moments(x, [0])
    return tf.nn.batch_normalization(x, mean, variance, w.scale, w.scale, 1e-3)


@dropout_on_output()
def dropout_then_normalisation_along_the_features(w: Weights, images: tf.Tensor) -> tf.Tensor:
    return tf.nn.l2_normalize(tf1.nn.dropout(w.features(images), rate=0.5), 1)


@dropout_on_output()
def dropout_at_a_rate_that_is_fed(w: Weights, images: tf.Tensor) -> tf.Tensor:
    return tf1.nn.dropout(w.features(images), rate=tf1.placeholder_with_default(0.5, [], "rate"))


@dropout_on_output()
def dropout_in_a_condition_that_is_fed(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = w.features(images)
    return tf1.cond(tf1.placeholder(tf.bool, []), lambda: tf1.nn.dropout(x, rate=0.5), lambda: tf.identity(x))


@dropout_on_output()
def dropout_in_a_learning_phase_that_is_on(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = w.features(images)
    phase = tf1.placeholder_with_default(True, [], "keras_learning_phase")
    return tf1.cond(phase, lambda: tf1.nn.dropout(x, rate=0.5), lambda: x)


@dropout_on_output()
def dropout_in_a_condition_within_a_condition(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = w.features(images)
    on = tf.constant(True)

    def inner() -> tf.Tensor:
        return tf1.cond(tf.logical_not(on), lambda: x, lambda: tf1.nn.dropout(x, rate=0.5))

    return tf1.cond(tf.logical_or(on, tf1.placeholder(tf.bool, [])), inner, lambda: x)


@dropout_on_output()
def dropout_in_a_loop_of_frames(w: Weights, images: tf.Tensor) -> tf.Tensor:
    def turn(i: tf.Tensor, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return i + 1, tf1.nn.dropout(x, rate=0.5) + w.scale

    return tf1.while_loop(lambda i, _: i < 3, turn, (0, w.features(images)))[1]


@dropout_on_output()
def dropout_in_a_function_called_by_name(w: Weights, images: tf.Tensor) -> tf.Tensor:
    @function.Defun(tf.float32)
    def dropped(x: tf.Tensor) -> tf.Tensor:
        return tf1.nn.dropout(x, rate=0.5)

    return tf.ensure_shape(dropped(w.features(images)), [None, CHANNELS])


@dropout_on_output()
def dropout_of_whole_channels_before_pooling(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = w.map(images)
    x = tf1.nn.dropout(x, rate=0.5, noise_shape=[tf.shape(x)[0], 1, 1, CHANNELS])
    return tf1.reduce_mean(x, [1, 2], keep_dims=False)


@dropout_on_output()
def features_or_zeros_by_a_random_condition(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = w.features(images)
    return tf1.cond(tf1.random_uniform([]) < 0.5, lambda: x, lambda: tf.zeros([1, CHANNELS]))


@no_dropout_on_output
def a_random_condition_between_two_branches(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = w.features(images)
    return tf1.cond(tf1.random_uniform([]) < 0.5, lambda: x @ w.dense, lambda: x)


@no_dropout_on_output
def old_dropout_then_dense(w: Weights, images: tf.Tensor) -> tf.Tensor:
    return tf1.nn.dropout(w.features(images), rate=0.5) @ w.dense + w.scale


@no_dropout_on_output
def old_dropout_before_pooling(w: Weights, images: tf.Tensor) -> tf.Tensor:
    return tf1.reduce_mean(tf1.nn.dropout(w.map(images), rate=0.5), [1, 2])


@no_dropout_on_output
def random_initialisers_only(w: Weights, images: tf.Tensor) -> tf.Tensor:
    return w.features(images) * w.scale


@no_dropout_on_output
def dropout_in_a_learning_phase_that_is_off(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = w.features(images)
    phase = tf1.placeholder_with_default(False, [], "keras_learning_phase")
    return tf1.cond(phase, lambda: tf1.nn.dropout(x, rate=0.5), lambda: x)


@no_dropout_on_output
def a_keep_prob_that_is_one_unless_it_is_fed(w: Weights, images: tf.Tensor) -> tf.Tensor:
    return tf1.nn.dropout(w.features(images), keep_prob=tf1.placeholder_with_default(1.0, [], "keep_prob"))


@no_dropout_on_output
def an_old_keep_prob_that_is_one_unless_it_is_fed(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = w.features(images)
    keep_prob = tf1.placeholder_with_default(1.0, [])
    return tf1.div(x, keep_prob) * tf.floor(keep_prob + tf1.random_uniform(tf.shape(x)))


@no_dropout_on_output
def dropout_in_the_inner_condition_that_is_off(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = w.features(images)
    off = tf.constant(False)

    def inner() -> tf.Tensor:
        return tf1.cond(off, lambda: tf1.nn.dropout(x, rate=0.5), lambda: x * 2.0)

    return tf1.cond(tf1.placeholder(tf.bool, []), inner, lambda: x)


@no_dropout_on_output
def dropout_in_the_outer_condition_that_is_off(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = w.features(images)

    def inner() -> tf.Tensor:
        return tf1.cond(tf1.placeholder(tf.bool, []), lambda: tf1.nn.dropout(x, rate=0.5), lambda: x * 2.0)

    return tf1.cond(tf1.placeholder_with_default(tf.constant(False), []), inner, lambda: x)


@no_dropout_on_output
def dropout_in_a_loops_hidden_state(w: Weights, images: tf.Tensor) -> tf.Tensor:
    def turn(i: tf.Tensor, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return i + 1, tf1.nn.dropout(x, rate=0.5) @ w.dense

    return tf1.while_loop(lambda i, _: i < 3, turn, (0, w.features(images)))[1]


@no_dropout_on_output
def a_function_called_by_name_twice(w: Weights, images: tf.Tensor) -> tf.Tensor:
    @function.Defun(tf.float32, tf.float32)
    def product(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return x * y

    x = w.features(images)
    x = tf.ensure_shape(product(x, tf.floor(0.5 + tf1.random_uniform([1, CHANNELS]))), [None, CHANNELS])
    return tf.ensure_shape(product(x @ w.dense, tf.constant(2.0)), [None, CHANNELS])
