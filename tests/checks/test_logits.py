"""What ends the scores of a classifier."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import tensorflow as tf

from hubcheck.checks.context import Context
from hubcheck.checks.logits import linear_scores
from hubcheck.rulebook.contract import load_contracts
from tests.checks.observed import answer
from tests.graph.graphs import graph_of, images, module_of, variant_of

CONTRACTS = load_contracts()
TASK = "image_classification"


def linear(x: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(x, [1, 2]) @ tf.random.stateless_normal([3, 5], [1, 2])


def found(build: Callable[[tf.Tensor], tf.Tensor], signature: str = TASK) -> list[str]:
    """The activations that the rule finds on the scores that `build` makes of linear ones."""
    graph_def = graph_of(lambda: tf.identity(build(linear(images())), name="output"))
    module = module_of(variant_of(graph_def, {"default": "output:0"}, signature=signature))
    return [
        getattr(item, "found", "skip") for item in answer(linear_scores(Context(module, CONTRACTS), signature=TASK))
    ]


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
        "softmax by powers": (lambda x: tf.pow(2.0, x) / tf.reduce_sum(tf.pow(2.0, x), -1, keepdims=True), "softmax"),
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
        "softmax by hand, kept from dividing by zero": (
            lambda x: tf.exp(x) / (tf.reduce_sum(tf.exp(x), -1, keepdims=True) + 1e-7),
            "softmax",
        ),
        "softmax by hand, times the inverse": (
            lambda x: tf.exp(x) * tf.math.reciprocal(tf.reduce_sum(tf.exp(x), -1, keepdims=True)),
            "softmax",
        ),
        "softmax by hand, times one over the sum": (
            lambda x: tf.exp(x) * (1.0 / tf.reduce_sum(tf.exp(x), -1, keepdims=True)),
            "softmax",
        ),
        "exponentials of length 1": (
            lambda x: tf.exp(x) / tf.maximum(tf.reduce_sum(tf.abs(tf.exp(x)), -1, keepdims=True), 1e-7),
            "softmax",
        ),
        "softmax by hand, less the largest": (
            lambda x: (
                tf.exp(x - tf.reduce_max(x, -1, keepdims=True))
                / tf.reduce_sum(tf.exp(x - tf.reduce_max(x, -1, keepdims=True)), -1, keepdims=True)
            ),
            "softmax",
        ),
        "softmax of logarithms": (lambda x: tf.exp(tf.nn.log_softmax(x)), "softmax"),
        "softmax of logarithms by hand": (lambda x: tf.exp(x - tf.reduce_logsumexp(x, -1, keepdims=True)), "softmax"),
        "sigmoid by exponentials": (lambda x: tf.exp(x) / (1.0 + tf.exp(x)), "sigmoid"),
        "sigmoid of logarithms": (lambda x: tf.exp(tf.math.log_sigmoid(x)), "sigmoid"),
        "log-sigmoid": (tf.math.log_sigmoid, "log-sigmoid"),
        "sigmoid by tanh": (lambda x: 0.5 * (1.0 + tf.tanh(x / 2.0)), "sigmoid"),
        "sigmoid by tanh, shifted last": (lambda x: 0.5 + 0.5 * tf.tanh(0.5 * x), "sigmoid"),
        "sigmoid by a power": (lambda x: tf.pow(1.0 + tf.exp(-x), -1.0), "sigmoid"),
        "sigmoid by tanh, halved last": (lambda x: (1.0 + tf.tanh(x / 2.0)) / 2.0, "sigmoid"),
        "sigmoid by tanh in exponentials": (
            lambda x: ((tf.exp(x) - tf.exp(-x)) / (tf.exp(x) + tf.exp(-x)) + 1.0) / 2.0,
            "sigmoid",
        ),
        "sigmoid in percent": (lambda x: 100.0 / (1.0 + tf.exp(-x)), "sigmoid"),
        "log-sigmoid by log1p": (lambda x: -tf.math.log1p(tf.exp(-x)), "log-sigmoid"),
        "scores less their softplus": (lambda x: x - tf.math.softplus(x), "log-sigmoid"),
        "sigmoid that does not overflow": (
            lambda x: tf.where(x >= 0, 1.0 / (1.0 + tf.exp(-x)), tf.exp(x) / (1.0 + tf.exp(x))),
            "sigmoid",
        ),
        "the chance of the opposite": (lambda x: 1.0 - tf.sigmoid(x), "sigmoid"),
        "rounded": (lambda x: tf.round(tf.sigmoid(x) * 1e4) / 1e4, "sigmoid"),
        "unlikely ones left out": (lambda x: tf.where(tf.sigmoid(x) > 0.1, tf.sigmoid(x), 0.0), "sigmoid"),
        "some classes masked": (lambda x: tf.sigmoid(x) * tf.constant([1.0, 0.0, 1.0, 1.0, 0.0]), "sigmoid"),
        "the background split off": (lambda x: tf.split(tf.nn.softmax(x), [1, 4], axis=1)[1], "softmax"),
        "the background unstacked": (lambda x: tf.stack(tf.unstack(tf.nn.softmax(x), 5, 1)[1:], 1), "softmax"),
        "a background added": (lambda x: tf.pad(tf.sigmoid(x), [[0, 0], [1, 0]]), "sigmoid"),
        "the mean over three models": (
            lambda x: (tf.sigmoid(x) + tf.sigmoid(x[:, ::-1]) + tf.sigmoid(-x)) / 3.0,
            "sigmoid",
        ),
        "the mean over two crops, squeezed": (
            lambda x: 0.5 * (tf.squeeze(tf.sigmoid(x[:, None]), 1) + tf.squeeze(tf.sigmoid(-x[:, None]), 1)),
            "sigmoid",
        ),
        "image by image": (lambda x: tf.map_fn(tf.sigmoid, x), "sigmoid"),
        "the best of all places": (
            lambda x: tf.reduce_max(tf.sigmoid(tf.reshape(x, [-1, 1, 1, 5])), [1, 2]),
            "sigmoid",
        ),
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
        "capped by tanh": lambda x: 30.0 * tf.tanh(x / 30.0),
        "swish by hand": lambda x: x / (1.0 + tf.exp(-x)),
        "exponentials": tf.exp,
        "nearly a straight line": lambda x: 0.5 + 1e-4 * tf.tanh(x),
        "a bell": lambda x: 1.0 / (tf.exp(x) + tf.exp(-x)),
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
        "more than another set of classes": lambda x: x[:, :3] - tf.reduce_logsumexp(x[:, 3:], 1, keepdims=True),
        "less a constant": lambda x: x - tf.reduce_logsumexp(tf.constant([1.0, 2.0])),
        "exponentials over others": lambda x: tf.exp(x[:, :3]) / tf.reduce_sum(tf.exp(x[:, 3:]), 1, keepdims=True),
        "a mean with a gate": lambda x: (x + tf.sigmoid(x)) / 2.0,
        "exponential linear units by hand": lambda x: tf.where(x > 0, x, tf.exp(x) - 1.0),
        "a swish by hand": lambda x: x / (1.0 + tf.exp(-x)),
        "a tanh": lambda x: 5.0 * tf.tanh(x / 5.0),
        "what a gate leaves over": lambda x: (1.0 - tf.sigmoid(x)) * x,
        "a softmax with a learned scale": lambda x: tf.nn.softmax(x) * tf.constant([0.3, 1.2, 4.0, -1.0, 2.0]),
        "a softmax less what it is on average": lambda x: tf.nn.softmax(x) - tf.reduce_mean(x, -1, keepdims=True),
        "powers by their sum": lambda x: x**2.0 / tf.reduce_sum(x**2.0, -1, keepdims=True),
        "a log of counts": lambda x: tf.math.log1p(tf.nn.relu(x)),
    }.values(),
)
def test_linear_scores_are_accepted(build: Callable[[tf.Tensor], tf.Tensor]) -> None:
    assert found(build) == []


def test_what_the_graph_does_not_show_is_left_to_a_run() -> None:
    assert found(lambda x: tf.numpy_function(lambda y: y, [x], tf.float32)) == ["skip"]


def test_feature_vectors_may_end_as_they_like() -> None:
    assert found(tf.sigmoid, "image_feature_vector") == ["skip"]
