"""What ends the scores of a classifier."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import tensorflow as tf

from hubcheck.checks.context import Context
from hubcheck.checks.logits import linear_scores
from hubcheck.contract import load_contracts
from tests.graph.graphs import graph_of, images, module_of, variant_of

CONTRACTS = load_contracts()
TASK = "image_classification"


def linear(x: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(x, [1, 2]) @ tf.random.stateless_normal([3, 5], [1, 2])


def found(build: Callable[[tf.Tensor], tf.Tensor], signature: str = TASK) -> list[str]:
    """The activations that the rule finds on the scores that `build` makes of linear ones."""
    graph_def = graph_of(lambda: tf.identity(build(linear(images())), name="output"))
    module = module_of(variant_of(graph_def, {"default": "output:0"}, signature=signature))
    return [getattr(item, "found", "skip") for item in linear_scores(Context(module, CONTRACTS), signature=TASK)]


@pytest.mark.parametrize(
    ("build", "activation"),
    {
        "softmax": (tf.nn.softmax, "softmax"),
        "log-softmax": (tf.nn.log_softmax, "log-softmax"),
        "sigmoid": (tf.sigmoid, "sigmoid"),
        "in a function": (tf.function(tf.function(tf.nn.softmax)), "softmax"),
        "reshaped and cast": (
            lambda x: tf.cast(tf.reshape(tf.nn.softmax(tf.cast(x, tf.float16)), [-1, 5]), tf.float32),
            "softmax",
        ),
        "log of softmax": (lambda x: tf.math.log(tf.nn.softmax(x) + 1e-7), "softmax"),
        "clipped": (lambda x: tf.clip_by_value(tf.sigmoid(x), 1e-7, 1 - 1e-7), "sigmoid"),
        "one sigmoid for each class": (lambda x: tf.stack([tf.sigmoid(x[:, i]) for i in range(5)], axis=1), "sigmoid"),
        "softmax by hand": (lambda x: tf.exp(x) / tf.reduce_sum(tf.exp(x), -1, keepdims=True), "softmax"),
        "log-softmax by hand": (lambda x: x - tf.reduce_logsumexp(x, -1, keepdims=True), "log-softmax"),
        "log-softmax by hand without keepdims": (lambda x: x - tf.reduce_logsumexp(x, -1)[:, None], "log-softmax"),
        "sigmoid by hand": (lambda x: 1.0 / (1.0 + tf.exp(-x)), "sigmoid"),
        "the mean over two crops": (
            lambda x: (tf.nn.softmax(x) + tf.nn.softmax(x[:, ::-1])) / 2.0,
            "softmax",
        ),
        "the mean over crops in the batch": (
            lambda x: tf.reduce_mean(tf.reshape(tf.sigmoid(tf.concat([x, -x], 0)), [2, -1, 5]), 0),
            "sigmoid",
        ),
        "in percent": (lambda x: 100.0 * tf.nn.softmax(x), "softmax"),
        "classes in another order": (lambda x: tf.gather(tf.sigmoid(x), [4, 2, 0, 1, 3], axis=-1), "sigmoid"),
        "in a branch": (lambda x: tf.cond(x[0, 0] > 0, lambda: tf.nn.softmax(x), lambda: x), "softmax"),
    }.values(),
)
def test_probabilities_are_found(build: Callable[[tf.Tensor], tf.Tensor], activation: str) -> None:
    assert found(build) == [activation]


@pytest.mark.parametrize(
    "build",
    {
        "linear": lambda x: x,
        "scaled": lambda x: x * 2.0 + 1.0,
        "relu": tf.nn.relu,
        "softmax inside": lambda x: tf.nn.softmax(x) @ tf.random.stateless_normal([5, 5], [1, 2]),
        "attention over scores": lambda x: x * tf.nn.softmax(x),
        "a gate": lambda x: x * tf.sigmoid(x),
        "a softmax of no image": lambda x: tf.concat([x, x * 0.0 + tf.nn.softmax(tf.ones([1, 5]))], 0),
        "experts behind a gate": lambda x: tf.reduce_sum(tf.nn.softmax(x)[..., None] * x[:, None], 1),
        "attention added to scores": lambda x: x + tf.nn.softmax(x),
        "the mean over places": lambda x: tf.reduce_mean(tf.stack([x, x * tf.sigmoid(x)]), 0),
        "a product of gates and scores": lambda x: 2.0 * (x * tf.sigmoid(x)),
        "unit length": lambda x: tf.math.l2_normalize(x, -1),
        "a log of counts": lambda x: tf.math.log1p(tf.nn.relu(x)),
    }.values(),
)
def test_linear_scores_are_accepted(build: Callable[[tf.Tensor], tf.Tensor]) -> None:
    assert found(build) == []


def test_feature_vectors_may_end_as_they_like() -> None:
    assert found(tf.sigmoid, "image_feature_vector") == ["skip"]
