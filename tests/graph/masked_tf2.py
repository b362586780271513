"""Dropout on the output, in TensorFlow 2: the forms of masks, and where they hide."""

from __future__ import annotations

import tensorflow as tf

from tests.graph.constructions import CHANNELS, Weights, dropout_on_output, mask


@dropout_on_output(rate=0.4, layer="dropout")
def dropout_after_pooling(w: Weights, images: tf.Tensor) -> tf.Tensor:
    return tf.nn.dropout(w.features(images), 0.4)


@dropout_on_output(rate=0.25)
def a_cast_mask_of_uniform_numbers(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = w.features(images)
    return x * mask(x) / 0.75


@dropout_on_output(rate=0.25)
def floor_of_uniform_numbers(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = w.features(images)
    return x / 0.75 * tf.floor(0.75 + tf.random.uniform(tf.shape(x)))


@dropout_on_output(rate=0.25)
def a_where_that_drops(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = w.features(images)
    return tf.where(tf.random.uniform(tf.shape(x)) < 0.25, 0.0, x)


@dropout_on_output(rate=0.25)
def a_where_that_keeps(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = w.features(images)
    return tf.where(tf.random.uniform(tf.shape(x)) > 0.25, x, tf.zeros_like(x))


@dropout_on_output()
def a_where_that_shrinks(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = w.features(images)
    return tf.where(tf.random.uniform(tf.shape(x)) < 0.25, x * 0.01, x)


@dropout_on_output()
def a_where_with_channel_vector(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = w.features(images)
    return tf.where(tf.random.shuffle(tf.constant([True, False, True, True])), x, 0.0)


@dropout_on_output(rate=0.5)
def stateless_dropout(w: Weights, images: tf.Tensor) -> tf.Tensor:
    return tf.nn.experimental.stateless_dropout(w.features(images), 0.5, seed=[1, 2])


@dropout_on_output(rate=0.5)
def dropout_with_a_seed_variable(w: Weights, images: tf.Tensor) -> tf.Tensor:
    seed = w.seed.assign_add([0, 1])
    return tf.nn.experimental.stateless_dropout(w.features(images), 0.5, seed=seed)


@dropout_on_output(rate=0.5)
def dropout_from_a_generator(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = w.features(images)
    return tf.where(w.generator.uniform(tf.shape(x)) >= 0.5, x, 0.0)


@dropout_on_output()
def a_mask_from_categorical(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = w.features(images)
    drawn = tf.random.categorical(tf.math.log([[0.5, 0.5]]), tf.size(x))
    return x * tf.cast(tf.reshape(drawn, tf.shape(x)), tf.float32)


@dropout_on_output()
def a_mask_from_binomial(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = w.features(images)
    return x * tf.random.stateless_binomial(tf.shape(x), [1, 2], 1.0, 0.5, output_dtype=tf.float32)


@dropout_on_output()
def a_mask_on_the_bits(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = w.features(images)
    bits = tf.bitwise.bitwise_and(tf.bitcast(x, tf.int32), -tf.cast(mask(x), tf.int32))
    return tf.bitcast(bits, tf.float32)


@dropout_on_output()
def a_mask_made_by_dropout_of_ones(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = w.features(images)
    return x * tf.nn.dropout(tf.ones_like(x), 0.5)


@dropout_on_output()
def a_mask_made_by_a_random_cond(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = w.features(images)
    return tf.cond(tf.random.uniform([]) < 0.5, lambda: x, lambda: tf.zeros_like(x))


@dropout_on_output()
def gaussian_noise_times_features(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = w.features(images)
    return x * tf.random.normal(tf.shape(x), 1.0, 0.5)


@dropout_on_output()
def alpha_dropout_by_hand(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = w.features(images)
    kept = mask(x, 0.9)
    return 0.94 * (x * kept - 1.758 * (1 - kept)) + 0.1


@dropout_on_output()
def a_dropped_scale_parameter(w: Weights, images: tf.Tensor) -> tf.Tensor:
    return w.features(images) * tf.nn.dropout(w.scale, 0.5)


@dropout_on_output()
def a_division_by_noise(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = w.features(images)
    return x / tf.random.uniform(tf.shape(x), 1.0, 2.0)


@dropout_on_output()
def features_without_their_masked_part(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = w.features(images)
    return x - x * mask(x)


@dropout_on_output()
def features_capped_by_a_mask(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = w.features(images)
    return tf.minimum(x, mask(x) * 1e9)


@dropout_on_output()
def an_einsum_that_is_a_product(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = w.features(images)
    return tf.einsum("bc,bc->bc", x, mask(x))


@dropout_on_output()
def zeros_scattered_at_random_places(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = tf.transpose(w.features(images))
    return tf.transpose(
        tf.tensor_scatter_nd_update(x, tf.random.uniform([2, 1], 0, CHANNELS, tf.int32), tf.zeros([2, tf.shape(x)[1]]))
    )


@dropout_on_output(rate=0.5, layer="head/dropout")
def dropout_within_five_functions(w: Weights, images: tf.Tensor) -> tf.Tensor:
    def nested(depth: int, x: tf.Tensor) -> tf.Tensor:
        if depth == 0:
            with tf.name_scope("head"):
                return tf.nn.dropout(x, 0.5)
        return tf.function(lambda y: nested(depth - 1, tf.identity(y)), autograph=False)(x)

    return nested(5, w.features(images))


@dropout_on_output()
def a_mask_made_by_a_function(w: Weights, images: tf.Tensor) -> tf.Tensor:
    @tf.function
    def drawn(shape: tf.Tensor) -> tf.Tensor:
        return tf.cast(tf.random.uniform(shape) > 0.5, tf.float32)

    @tf.function
    def times(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return x * y

    x = w.features(images)
    return times(x, drawn(tf.shape(x)))


@dropout_on_output()
def a_mask_that_is_kept_in_a_variable(w: Weights, images: tf.Tensor) -> tf.Tensor:
    w.kept.assign(tf.cast(tf.random.uniform([CHANNELS]) > 0.5, tf.float32))
    return w.features(images) * w.kept


@dropout_on_output()
def a_selection_that_is_always_taken(w: Weights, images: tf.Tensor) -> tf.Tensor:
    @tf.function
    def head(x: tf.Tensor, training: tf.Tensor) -> tf.Tensor:
        return tf.where(training, tf.nn.dropout(x, 0.5), x)

    return head(w.features(images), tf.constant(True))


@dropout_on_output()
def dropout_in_map_fn(w: Weights, images: tf.Tensor) -> tf.Tensor:
    return tf.map_fn(lambda x: tf.nn.dropout(x, 0.5), w.features(images))


@dropout_on_output()
def dropout_in_vectorized_map(w: Weights, images: tf.Tensor) -> tf.Tensor:
    return tf.vectorized_map(lambda x: x * tf.cast(tf.random.uniform([CHANNELS]) > 0.5, tf.float32), w.features(images))


@dropout_on_output()
def dropout_in_a_loop(w: Weights, images: tf.Tensor) -> tf.Tensor:
    _, x = tf.while_loop(lambda i, _: i < 3, lambda i, x: (i + 1, tf.nn.dropout(x, 0.1)), (0, w.features(images)))
    return x


@dropout_on_output()
def dropout_in_a_tensor_array(w: Weights, images: tf.Tensor) -> tf.Tensor:
    array = tf.TensorArray(tf.float32, 2)
    x = w.features(images)
    array = array.write(0, x).write(1, tf.nn.dropout(x, 0.5))
    return tf.reshape(tf.transpose(array.stack(), [1, 0, 2]), [-1, 2 * CHANNELS])


@dropout_on_output()
def dropout_in_a_branch_that_depends_on_the_images(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = w.features(images)
    return tf.cond(tf.reduce_mean(images) > 0.5, lambda: tf.nn.dropout(x, 0.5), lambda: x)


@dropout_on_output()
def dropout_in_a_case(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = w.features(images)
    branches = [lambda: x, lambda: tf.nn.dropout(x, 0.5), lambda: -x]
    return tf.switch_case(tf.cast(tf.reduce_mean(images), tf.int32), branches)


@dropout_on_output()
def dropped_blocks_on_features(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = w.features(images)
    kept = tf.cast(tf.random.uniform(tf.shape(x)) < 0.9, tf.float32)
    return x * kept * (tf.cast(tf.size(kept), tf.float32) / tf.reduce_sum(kept))


@dropout_on_output()
def features_or_zeros_by_one_random_number(w: Weights, images: tf.Tensor) -> tf.Tensor:
    return w.features(images) * tf.cast(tf.reduce_sum(tf.random.uniform([9])) < 4.5, tf.float32)


@dropout_on_output()
def spatial_dropout_before_pooling(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = w.map(images)
    noise_shape = [tf.shape(x)[0], 1, 1, CHANNELS]
    return tf.reduce_mean(tf.nn.dropout(x, 0.5, noise_shape=noise_shape), [1, 2])


@dropout_on_output()
def spatial_dropout_before_two_poolings(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = tf.nn.dropout(w.map(images), 0.5, noise_shape=[1, 1, 1, CHANNELS])
    return tf.reduce_mean(tf.reduce_mean(x, 1), 1)


@dropout_on_output()
def spatial_dropout_before_pooling_of_channels_first(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = tf.nn.dropout(w.map(images), 0.5, noise_shape=[1, 1, 1, CHANNELS])
    return tf.reduce_max(tf.transpose(x, [0, 3, 1, 2]), [-2, -1])


@dropout_on_output()
def dropout_before_pooling_of_a_single_place(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = tf.nn.avg_pool2d(w.map(images), [6, 5], 1, "VALID")
    return tf.reduce_mean(tf.nn.dropout(x, 0.5), [1, 2])


@dropout_on_output()
def dropout_on_a_gate(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = w.features(images)
    return x * tf.nn.dropout(tf.sigmoid(x @ w.dense), 0.5)


@dropout_on_output()
def dropout_twice_in_a_function_that_is_shared(w: Weights, images: tf.Tensor) -> tf.Tensor:
    @tf.function
    def times(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return x * y

    x = times(w.map(images), 2.0)
    x = tf.reduce_mean(x, [1, 2])
    return times(x, mask(x))
