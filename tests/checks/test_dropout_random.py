"""Random little networks with dropout at random places, against an oracle that knows where it was placed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hubcheck.checks.context import Context
from hubcheck.checks.dropout import no_dropout
from hubcheck.rulebook.contract import load_contracts
from tests.checks.observed import answer
from tests.graph.graphs import graph_of, images, module_of, variant_of

pytestmark = pytest.mark.slow

CONTRACTS = load_contracts()
CHANNELS = 4


@dataclass(frozen=True)
class Part:
    """A tensor under construction, a map [batch, 6, 5, 4] or features [batch, 4], and what the oracle knows of it:
    whether single entries are masked, and whether whole channels are."""

    x: tf.Tensor
    entries: bool = False
    channels: bool = False

    @property
    def is_map(self) -> bool:
        return self.x.shape.rank == 4


Layer = Callable[[Part], Part]


def keeps(function: Callable[[tf.Tensor], tf.Tensor]) -> Layer:
    """A layer that treats entries one by one, or normalises them: masks survive it."""
    return lambda part: replace(part, x=function(part.x))


def mixes(function: Callable[[tf.Tensor], tf.Tensor]) -> Layer:
    """A layer of which each entry is made from many: masks end in it."""
    return lambda part: Part(function(part.x))


def weights(*shape: int) -> tf.Tensor:
    return tf.random.stateless_normal(shape, [1, 2])


def linear(x: tf.Tensor) -> tf.Tensor:
    return tf.nn.conv2d(x, weights(1, 1, 4, 4), 1, "SAME") if x.shape.rank == 4 else x @ weights(4, 4)


def layer_norm(x: tf.Tensor) -> tf.Tensor:
    mean, variance = tf.nn.moments(x, [-1], keepdims=True)
    return tf.nn.batch_normalization(x, mean, variance, tf.ones([4]), tf.ones([4]), 1e-3)


def batch_norm(x: tf.Tensor) -> tf.Tensor:
    mean, variance = tf.nn.moments(x, list(range(x.shape.rank - 1)))
    return (x - mean) / tf.sqrt(variance + 1e-3)


def within_functions(x: tf.Tensor) -> tf.Tensor:
    inner = tf.function(lambda y: tf.nn.relu(y) + 1.0)
    return tf.function(lambda y: inner(tf.identity(y)))(x)


def taken(x: tf.Tensor, flag: bool) -> tf.Tensor:
    return tf.cond(tf.constant(flag), lambda: tf.nn.dropout(x, 0.5), lambda: tf.identity(x))


def dropout(part: Part) -> Part:
    return Part(tf.nn.dropout(part.x, 0.3), True, part.channels)


def dropout_in_a_branch(part: Part) -> Part:
    return Part(taken(part.x, True), True, part.channels)


def dropout_in_a_loop(part: Part) -> Part:
    turn = tf.while_loop(lambda i, _: i < 2, lambda i, y: (i + 1, tf.nn.dropout(y, 0.1)), (0, part.x))
    return Part(turn[1], True, part.channels)


def spatial_dropout(part: Part) -> Part:
    shape = [tf.shape(part.x)[0], 1, 1, CHANNELS] if part.is_map else None
    return replace(
        part,
        x=tf.nn.dropout(part.x, 0.3, noise_shape=shape),
        channels=part.channels or part.is_map,
        entries=part.entries or not part.is_map,
    )


def pooling(part: Part) -> Part:
    return Part(tf.reduce_mean(part.x, [1, 2]), part.channels) if part.is_map else part


def max_pooling(part: Part) -> Part:
    return Part(tf.reduce_max(part.x, [1, 2], keepdims=True)[:, 0, 0], part.channels) if part.is_map else part


def gate(part: Part) -> Part:
    """Squeeze and excite: the gate comes from dropped features, the map keeps its own masks."""
    return replace(part, x=part.x * tf.sigmoid(linear(tf.nn.dropout(part.x, 0.5))))


LAYERS: dict[str, Layer] = {
    "dropout": dropout,
    "dropout in a branch": dropout_in_a_branch,
    "dropout in a loop": dropout_in_a_loop,
    "spatial dropout": spatial_dropout,
    "dropout in a branch that is not taken": keeps(lambda x: taken(x, False)),
    "residual branch with dropout": lambda part: Part(part.x + tf.nn.dropout(linear(part.x), 0.5)),
    "linear": mixes(linear),
    "window": mixes(lambda x: tf.nn.avg_pool2d(x, 2, 1, "SAME") if x.shape.rank == 4 else tf.nn.softmax(x)),
    "pooling": pooling,
    "max pooling": max_pooling,
    "gate": gate,
    "relu": keeps(tf.nn.relu),
    "swish": keeps(lambda x: x * tf.sigmoid(x)),
    "prelu": keeps(lambda x: tf.nn.relu(x) - 0.1 * tf.nn.relu(-x)),
    "noise": keeps(lambda x: x + tf.random.normal(tf.shape(x))),
    "bias": keeps(lambda x: tf.nn.bias_add(x * tf.ones([4]), tf.ones([4]))),
    "layer norm": keeps(layer_norm),
    "batch norm": keeps(batch_norm),
    "unit norm": keeps(lambda x: tf.math.l2_normalize(x, -1)),
    "functions": keeps(within_functions),
    "half precision": keeps(lambda x: tf.cast(tf.cast(x, tf.float16), tf.float32)),
    "identities": keeps(lambda x: tf.identity_n([tf.stop_gradient(tf.identity(x))])[0]),
    "split and joined": keeps(lambda x: tf.concat(tf.split(x, 2, axis=-1)[::-1], -1)),
    "of a loop": keeps(lambda x: tf.while_loop(lambda i, _: i < 2, lambda i, y: (i + 1, y * 0.5), (0, x))[1]),
}


def network(names: list[str]) -> Part:
    part = Part(tf.nn.conv2d(images(shape=(None, 6, 5, 3)), weights(3, 3, 3, 4), 1, "SAME"))
    for name in names:
        part = LAYERS[name](part)
    if part.is_map:
        # Nothing is averaged any more, so masks on channels are masks on entries.
        part = Part(tf.reshape(part.x, [-1, 120]), part.entries or part.channels)
    return part


@given(st.lists(st.sampled_from(sorted(LAYERS)), min_size=1, max_size=9))
@settings(max_examples=120, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
def test_the_analysis_agrees_with_the_oracle(names: list[str]) -> None:
    parts: list[Part] = []

    def build() -> None:
        parts.append(network(names))
        tf.identity(parts[0].x, name="output")

    graph_def = graph_of(build)
    module = module_of(variant_of(graph_def, {"default": "output:0"}))
    found = answer(no_dropout(Context(module, CONTRACTS)))
    assert bool(found) == parts[0].entries, found
