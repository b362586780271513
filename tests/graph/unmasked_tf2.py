"""No dropout on the output, in TensorFlow 2, though there is dropout or randomness about."""

from __future__ import annotations

import tensorflow as tf

from tests.graph.constructions import CHANNELS, HEIGHT, WIDTH, Weights, mask, no_dropout_on_output


@no_dropout_on_output
def no_randomness_at_all(w: Weights, images: tf.Tensor) -> tf.Tensor:
    return w.features(images)


@no_dropout_on_output
def dropout_then_dense(w: Weights, images: tf.Tensor) -> tf.Tensor:
    return tf.nn.dropout(w.features(images), 0.5) @ w.dense


@no_dropout_on_output
def dropout_then_dense_by_einsum(w: Weights, images: tf.Tensor) -> tf.Tensor:
    return tf.einsum("bc,cd->bd", tf.nn.dropout(w.features(images), 0.5), w.dense)


@no_dropout_on_output
def dropout_then_convolution(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = tf.nn.dropout(w.map(images), 0.5)
    return tf.reduce_mean(tf.nn.conv2d(x, w.second, 1, "SAME"), [1, 2])


@no_dropout_on_output
def elementwise_dropout_before_pooling(w: Weights, images: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.nn.dropout(w.map(images), 0.5), [1, 2])


@no_dropout_on_output
def elementwise_dropout_before_max_pooling(w: Weights, images: tf.Tensor) -> tf.Tensor:
    return tf.reduce_max(tf.nn.dropout(w.map(images), 0.5), [1, 2])


@no_dropout_on_output
def elementwise_dropout_before_pooling_in_two_steps(w: Weights, images: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.reduce_mean(tf.nn.dropout(w.map(images), 0.5), 1), 1)


@no_dropout_on_output
def elementwise_dropout_before_pooling_of_flat_maps(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = tf.reshape(tf.nn.dropout(w.map(images), 0.5), [-1, HEIGHT * WIDTH, CHANNELS])
    return tf.reduce_mean(x, 1)


@no_dropout_on_output
def a_window_pooled_over_dropout(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = tf.nn.dropout(w.map(images), 0.5)
    return tf.squeeze(tf.nn.avg_pool2d(x, [HEIGHT, WIDTH], 1, "VALID"), [1, 2])


@no_dropout_on_output
def dropped_weights(w: Weights, images: tf.Tensor) -> tf.Tensor:
    return w.features(images) @ tf.nn.dropout(w.dense, 0.5)


@no_dropout_on_output
def a_residual_branch_with_dropout(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = w.features(images)
    return x + tf.nn.dropout(x @ w.dense, 0.5)


@no_dropout_on_output
def a_residual_branch_with_dropout_and_no_weights(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = w.features(images)
    return x + tf.nn.dropout(tf.nn.relu(x), 0.5)


@no_dropout_on_output
def stochastic_depth(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = w.map(images)
    y = tf.nn.conv2d(x, w.second, 1, "SAME")
    alive = tf.cast(tf.random.uniform([tf.shape(x)[0], 1, 1, 1]) < 0.8, tf.float32)
    return tf.reduce_mean(x + y * alive / 0.8, [1, 2])


@no_dropout_on_output
def stochastic_depth_by_cond(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = w.map(images)
    x = tf.cond(tf.random.uniform([]) < 0.8, lambda: x + tf.nn.conv2d(x, w.second, 1, "SAME"), lambda: x)
    return tf.reduce_mean(x, [1, 2])


@no_dropout_on_output
def stochastic_depth_by_where(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = w.map(images)
    alive = tf.random.uniform([tf.shape(x)[0], 1, 1, 1]) < 0.8
    return tf.reduce_mean(tf.where(alive, x + tf.nn.conv2d(x, w.second, 1, "SAME"), x), [1, 2])


@no_dropout_on_output
def squeeze_and_excite_fed_by_dropout(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = w.map(images)
    gate = tf.nn.dropout(tf.reduce_mean(x, [1, 2], keepdims=True), 0.5)
    return tf.reduce_mean(x * tf.sigmoid(tf.einsum("bhwc,cd->bhwd", gate, w.dense)), [1, 2])


@no_dropout_on_output
def squeeze_and_excite_with_a_dropped_gate(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = w.map(images)
    gate = tf.sigmoid(tf.einsum("bhwc,cd->bhwd", tf.reduce_mean(x, [1, 2], keepdims=True), w.dense))
    return tf.reduce_mean(x * tf.nn.dropout(gate, 0.5), [1, 2])


@no_dropout_on_output
def attention_with_dropped_weights(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = tf.reshape(w.map(images), [-1, HEIGHT * WIDTH, CHANNELS])
    scores = tf.nn.dropout(tf.nn.softmax(tf.matmul(x, x, transpose_b=True)), 0.1)
    return tf.reduce_mean(tf.matmul(scores, x), 1)


@no_dropout_on_output
def noise_added_to_features(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = w.features(images)
    return x + tf.random.normal(tf.shape(x), stddev=0.1)


@no_dropout_on_output
def a_sampled_latent_variable(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = w.features(images)
    mean, log_variance = x @ w.dense, x @ (w.dense * 0.1)
    return mean + tf.exp(0.5 * log_variance) * tf.random.normal(tf.shape(mean))


@no_dropout_on_output
def random_brightness_contrast_flip_and_crop_of_images(w: Weights, images: tf.Tensor) -> tf.Tensor:
    images = tf.image.random_flip_left_right(images)
    images = tf.image.random_contrast(images, 0.8, 1.2)
    images = images * tf.random.uniform([tf.shape(images)[0], 1, 1, 1], 0.8, 1.2)
    images = tf.map_fn(lambda image: tf.image.random_crop(image, [HEIGHT - 1, WIDTH - 1, 3]), images)
    return w.features(images)


@no_dropout_on_output
def noise_on_images(w: Weights, images: tf.Tensor) -> tf.Tensor:
    return w.features(images + tf.random.normal(tf.shape(images), stddev=0.1))


@no_dropout_on_output
def pixels_dropped_from_images(w: Weights, images: tf.Tensor) -> tf.Tensor:
    return w.features(images * mask(images))


@no_dropout_on_output
def dropped_blocks_scaled_by_the_share_that_is_left(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = w.map(images)
    centres = tf.cast(tf.random.uniform(tf.shape(x)) < 0.05, tf.float32)
    blocks = 1.0 - tf.nn.max_pool2d(centres, 3, 1, "SAME")
    x = x * blocks * tf.cast(tf.size(blocks), tf.float32) / tf.maximum(tf.reduce_sum(blocks), 1.0)
    return tf.reduce_mean(x, [1, 2])


@no_dropout_on_output
def mixed_images_of_a_shuffled_batch(w: Weights, images: tf.Tensor) -> tf.Tensor:
    share = tf.random.uniform([])
    return w.features(share * images + (1 - share) * tf.random.shuffle(images))


@no_dropout_on_output
def dropout_that_nobody_uses(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = w.features(images)
    tf.debugging.assert_all_finite(tf.nn.dropout(x, 0.5), "not finite")
    return x


@no_dropout_on_output
def dropout_that_only_gives_its_shape(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = w.features(images)
    return tf.reshape(x * 2.0, tf.shape(tf.nn.dropout(x, 0.5)))


@no_dropout_on_output
def zeros_of_a_relu(w: Weights, images: tf.Tensor) -> tf.Tensor:
    return tf.nn.relu(w.features(images) @ w.dense - 1.0)


@no_dropout_on_output
def a_where_on_the_features_themselves(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = tf.nn.dropout(w.features(images), 0.5) @ w.dense
    return tf.where(x > 0.5, x, 0.0)


@no_dropout_on_output
def a_fixed_mask(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = tf.nn.dropout(w.features(images), 0.5) @ w.dense
    return x * tf.constant([1.0, 0.0, 1.0, 0.0])


@no_dropout_on_output
def a_branch_that_is_never_taken(w: Weights, images: tf.Tensor) -> tf.Tensor:
    @tf.function
    def head(x: tf.Tensor, training: tf.Tensor) -> tf.Tensor:
        return tf.cond(tf.logical_and(training, True), lambda: tf.nn.dropout(x, 0.5), lambda: tf.identity(x))

    return head(w.features(images), tf.constant(False))


@no_dropout_on_output
def a_case_that_is_never_taken(w: Weights, images: tf.Tensor) -> tf.Tensor:
    @tf.function
    def head(x: tf.Tensor, mode: tf.Tensor) -> tf.Tensor:
        return tf.switch_case(mode, [lambda: tf.nn.relu(x), lambda: tf.nn.dropout(x, 0.5)])

    return head(w.features(images), tf.constant(0))


@no_dropout_on_output
def a_selection_that_is_never_taken(w: Weights, images: tf.Tensor) -> tf.Tensor:
    @tf.function
    def head(x: tf.Tensor, training: tf.Tensor) -> tf.Tensor:
        return tf.where(training, tf.nn.dropout(x, 0.5), x)

    return head(w.features(images), tf.constant(False))


@no_dropout_on_output
def a_rate_of_zero(w: Weights, images: tf.Tensor) -> tf.Tensor:
    @tf.function
    def head(x: tf.Tensor, rate: tf.Tensor) -> tf.Tensor:
        return tf.nn.dropout(x, rate)

    return head(w.features(images), tf.constant(0.0))


@no_dropout_on_output
def a_mask_that_drops_nothing(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = w.features(images)
    return x * tf.cast(tf.random.uniform(tf.shape(x), 1.0, 2.0) > 0.5, tf.float32)


@no_dropout_on_output
def dropout_in_the_loops_hidden_state(w: Weights, images: tf.Tensor) -> tf.Tensor:
    def turn(i: tf.Tensor, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return i + 1, tf.tanh(tf.nn.dropout(x, 0.5) @ w.dense)

    return tf.while_loop(lambda i, _: i < 2, turn, (0, w.features(images)))[1]


@no_dropout_on_output
def dropout_in_another_loop_variable(w: Weights, images: tf.Tensor) -> tf.Tensor:
    def turn(i: tf.Tensor, x: tf.Tensor, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        return i + 1, x * 2.0, tf.nn.dropout(y, 0.5)

    x = w.features(images)
    return tf.while_loop(lambda i, _, y: i < 2, turn, (0, x, x))[1]


@no_dropout_on_output
def a_shared_function_that_also_multiplies_a_mask(w: Weights, images: tf.Tensor) -> tf.Tensor:
    @tf.function
    def times(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return x * y

    x = w.features(images)
    x = times(x, mask(x)) @ w.dense
    return times(x, tf.constant(2.0))


@no_dropout_on_output
def softmax_over_dropout(w: Weights, images: tf.Tensor) -> tf.Tensor:
    return tf.nn.softmax(tf.nn.dropout(w.features(images), 0.5))


@no_dropout_on_output
def a_mask_that_depends_on_the_images(w: Weights, images: tf.Tensor) -> tf.Tensor:
    x = w.features(images)
    return x * tf.cast(tf.random.uniform(tf.shape(x)) * tf.reduce_max(x) < x, tf.float32)


@no_dropout_on_output
def a_random_projection(w: Weights, images: tf.Tensor) -> tf.Tensor:
    return tf.cos(w.features(images) @ tf.random.stateless_normal([CHANNELS, 8], [1, 2]))
