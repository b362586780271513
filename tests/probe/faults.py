"""Networks with one fault of behaviour each, and for each a twin without it: functions of images and a kernel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.probe.modules import FEATURES, HEIGHT, WIDTH, convolved, pooled, tensorflow

Function = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class Fault:
    """`name` says what is wrong with `bad` but not with `good`; `rules` are all rules that must fail.

    `place` is what the functions define: "all" of the module, its "training" variant, or its "default" signature.
    """

    name: str
    rules: tuple[str, ...]
    bad: Function
    good: Function
    place: str = "all"
    signature: str = "image_feature_vector"


def tf() -> Any:
    return tensorflow()


def fixed_width(features: Any) -> Any:
    features.set_shape([None, FEATURES])
    return features


def head(width: int = FEATURES) -> Any:
    return tf().random.stateless_normal([FEATURES, width], seed=[5, 6])


def _asserted(low: float, high: float) -> Function:
    def function(images: Any, kernel: Any) -> Any:
        checks = [
            tf().debugging.assert_less_equal(tf().reduce_max(images), high),
            tf().debugging.assert_greater_equal(tf().reduce_min(images), low),
        ]
        with tf().control_dependencies(checks):
            return pooled(images, kernel)

    return function


def _flattened(rows: int) -> Function:
    def function(images: Any, kernel: Any) -> Any:
        return tf().reduce_mean(tf().reshape(convolved(images, kernel), [-1, rows, FEATURES]), axis=1)

    return function


def _squeezed(axes: list[int] | None) -> Function:
    def function(images: Any, kernel: Any) -> Any:
        x = tf().reduce_mean(convolved(images, kernel), axis=[1, 2], keepdims=True)
        x = tf().ensure_shape(tf().squeeze(x, axes), [None, FEATURES] if axes else None)
        return tf().ensure_shape(tf().matmul(x, head()), [None, FEATURES])

    return function


def _split(parts: int) -> Function:
    def function(images: Any, kernel: Any) -> Any:
        halves = [pooled(part, kernel) for part in tf().split(images, parts)]
        return fixed_width(tf().concat(halves, axis=0))

    return function


def _at_most(rows: int) -> Function:
    """A network that fails for larger batches."""

    def function(images: Any, kernel: Any) -> Any:
        with tf().control_dependencies([tf().debugging.assert_less_equal(tf().shape(images)[0], rows)]):
            return pooled(images, kernel)

    return function


def _at_least(rows: int) -> Function:
    def function(images: Any, kernel: Any) -> Any:
        with tf().control_dependencies([tf().debugging.assert_greater_equal(tf().shape(images)[0], rows)]):
            return pooled(images, kernel)

    return function


def _pruned(kept: int) -> Function:
    def function(images: Any, kernel: Any) -> Any:
        chosen = tf().cast(tf().random.stateless_uniform([FEATURES], [1, 1]) >= 0, tf().bool)
        chosen &= tf().range(FEATURES) < tf().shape(images)[3] - 3 + kept
        return fixed_width(tf().boolean_mask(pooled(images, kernel), chosen, axis=1))

    return function


def _only_rows(longer_than: float) -> Function:
    def function(images: Any, kernel: Any) -> Any:
        features = pooled(images, kernel)
        return tf().boolean_mask(features, tf().norm(features, axis=1) >= longer_than * tf().norm(features, axis=1)[0])

    return function


def _normalised(axes: list[int], epsilon: float = 1e-3) -> Function:
    def function(images: Any, kernel: Any) -> Any:
        x = convolved(images, kernel)
        mean, variance = tf().nn.moments(x, axes=axes, keepdims=True)
        return tf().reduce_mean(tf().nn.elu((x - mean) / tf().sqrt(variance + epsilon)), axis=[1, 2])

    return function


def _of_features(change: Callable[[Any], Any]) -> Function:
    return lambda images, kernel: change(pooled(images, kernel))


def _of_images(change: Callable[[Any], Any]) -> Function:
    return lambda images, kernel: pooled(change(images), kernel)


def _state(step: float) -> Function:
    """A network with a counter that every call increments."""

    def function(images: Any, kernel: Any) -> Any:
        v1 = tf().compat.v1
        counter = v1.get_variable("counter", initializer=1.0, trainable=False)
        moved = counter.assign_add(step) if step else counter.read_value()
        return pooled(images, kernel) * moved

    return function


BATCH = "behaviour/batch-independence"
FAULTS: tuple[Fault, ...] = (
    Fault("wants pixels up to 255", ("behaviour/runs",), _asserted(2.0, 255.0), _asserted(0.0, 1.0)),
    Fault("flattens another size", ("behaviour/runs",), _flattened(49), _flattened(HEIGHT * WIDTH // 4)),
    Fault("squeezes a batch of one away", ("behaviour/batch-size",), _squeezed(None), _squeezed([1, 2])),
    Fault("wants an even batch", ("behaviour/batch-size",), _split(2), _split(1)),
    Fault("takes no larger batch", ("behaviour/batch-size",), _at_most(3), _at_most(1000)),
    Fault("takes no single image", ("behaviour/batch-size",), _at_least(2), _at_least(1)),
    Fault("has fewer features than declared", ("behaviour/declared-shape",), _pruned(4), _pruned(FEATURES)),
    Fault("drops rows", ("behaviour/declared-shape",), _only_rows(1.0), _only_rows(-1.0)),
    Fault("normalises over the batch", (BATCH,), _normalised([0, 1, 2]), _normalised([1, 2])),
    Fault("normalises over the batch alone", (BATCH,), _normalised([0]), _normalised([3])),
    Fault(
        "takes the batch's mean away",
        (BATCH,),
        _of_features(lambda x: x - tf().reduce_mean(x, axis=0)),
        _of_features(lambda x: x - tf().reduce_mean(x, axis=1, keepdims=True)),
    ),
    Fault(
        "softmax over the batch",
        (BATCH,),
        _of_features(lambda x: tf().nn.softmax(x, axis=0)),
        _of_features(lambda x: tf().nn.softmax(x, axis=1)),
    ),
    Fault(
        "unit length over the batch",
        (BATCH,),
        _of_features(lambda x: tf().nn.l2_normalize(x, axis=0)),
        _of_features(lambda x: tf().nn.l2_normalize(x, axis=1)),
    ),
    Fault(
        "sums up along the batch",
        (BATCH,),
        _of_features(lambda x: tf().cumsum(x, axis=0)),
        _of_features(lambda x: tf().cumsum(x, axis=1)),
    ),
    Fault(
        "sorts the batch",
        (BATCH,),
        _of_features(lambda x: tf().sort(x, axis=0)),
        _of_features(lambda x: tf().sort(x, axis=1)),
    ),
    Fault(
        "adds the first image's features",
        (BATCH,),
        _of_features(lambda x: x + x[:1]),
        _of_features(lambda x: x + x[:, :1]),
    ),
    Fault(
        "reverses the batch",
        (BATCH,),
        _of_features(lambda x: tf().reverse(x, axis=[0])),
        _of_features(lambda x: tf().reverse(x, axis=[1])),
    ),
    Fault("stretches by the brightest image", (BATCH,), _of_images(lambda x: x / (tf().reduce_max(x) + 0.1)), pooled),
    Fault(
        "takes the logarithm of zero",
        ("behaviour/finite",),
        _of_features(lambda x: tf().math.log(tf().nn.relu(x))),
        _of_features(lambda x: tf().math.log(tf().nn.relu(x) + 1e-3)),
    ),
    Fault("divides by no contrast", ("behaviour/finite",), _normalised([1, 2], 0.0), _normalised([1, 2], 1e-3)),
    Fault(
        "takes the root of a negative number",
        ("behaviour/finite",),
        _of_features(lambda x: tf().sqrt(x)),
        _of_features(lambda x: tf().sqrt(tf().abs(x))),
    ),
    Fault(
        "overflows",
        ("behaviour/finite",),
        _of_features(lambda x: tf().exp(1e4 * tf().abs(x) + 1.0)),
        _of_features(lambda x: tf().exp(x)),
    ),
    Fault(
        "divides by black", ("behaviour/finite",), _of_images(lambda x: x / tf().reduce_max(x, [1, 2, 3], True)), pooled
    ),
    Fault(
        "gives zeros", ("behaviour/informative",), _of_features(lambda x: 0.0 * x), _of_features(lambda x: 1e-11 * x)
    ),
    Fault(
        "is saturated",
        ("behaviour/informative",),
        _of_features(lambda x: tf().tanh(50.0 + 0.01 * x)),
        _of_features(lambda x: tf().tanh(0.01 * x)),
    ),
    Fault(
        "casts pixels to 0",
        ("behaviour/informative",),
        _of_images(lambda x: tf().floor(0.9 * x)),
        _of_images(lambda x: tf().sqrt(x)),
    ),
    Fault(
        "adds noise in inference",
        ("behaviour/deterministic",),
        _of_features(lambda x: x + 0.1 * tf().random.normal(tf().shape(x))),
        _of_features(lambda x: x + 0.1 * tf().random.stateless_normal([FEATURES], [1, 2])),
    ),
    Fault(
        "flips at random in inference",
        ("behaviour/deterministic",),
        _of_images(lambda x: tf().reverse(x, tf().random.uniform([1], 1, 3, tf().int32))),
        _of_images(lambda x: tf().reverse(x, [2])),
    ),
    Fault("counts its calls", ("behaviour/deterministic",), _state(1.0), _state(0.0)),
    Fault(
        "has another default signature",
        ("module/default-signature",),
        _of_features(lambda x: tf().reverse(x, axis=[1])),
        pooled,
        "default",
    ),
    Fault(
        "scales its default signature",
        ("module/default-signature",),
        _of_features(lambda x: 1.01 * x),
        _of_features(lambda x: (1.0 + 1e-6) * x),
        "default",
    ),
    Fault(
        "drops features in training",
        ("output/no-dropout",),
        _of_features(lambda x: tf().nn.dropout(x, 0.5)),
        _of_features(lambda x: tf().matmul(tf().nn.dropout(x, 0.5), head())),
        "training",
    ),
    Fault(
        "gives probabilities",
        ("classification/logits",),
        _of_features(lambda x: tf().nn.softmax(x, axis=1)),
        _of_features(lambda x: tf().nn.log_softmax(x) * 2.0 + 1.0),
        signature="image_classification",
    ),
)
