"""Which networks are deterministic, as seen in their graphs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keras
import pytest
import tensorflow as tf
import tensorflow.compat.v1 as tf1

from hubcheck.checks.context import Context
from hubcheck.checks.faults import Fault, Skip
from hubcheck.checks.randomness import deterministic
from hubcheck.graph.nondeterminism import may_vary
from hubcheck.module.reader import read
from hubcheck.rulebook.contract import load_contracts
from tests.checks.observed import answer
from tests.graph.constructions import HEIGHT, WIDTH, Weights
from tests.graph.graphs import graph_of, images, module_of, variant_of

CONTRACTS = load_contracts()
SEEDED = {"seed": [1, 2]}
IMAGES = tf.TensorSpec([None, HEIGHT, WIDTH, 3], tf.float32, name="images")


def answers(build: Callable[[tf.Tensor], object], *, v1_control_flow: bool = False) -> list[Fault | Skip]:
    """What the rule says of a graph from `images` to what `build` makes of them."""
    graph_def = graph_of(
        lambda: tf.identity(build(images(shape=(None, HEIGHT, WIDTH, 3))), name="output"),
        v1_control_flow=v1_control_flow,
    )
    module = module_of(variant_of(graph_def, {"default": "output:0"}))
    return answer(deterministic(Context(module, CONTRACTS)))


def noise(x: tf.Tensor) -> tf.Tensor:
    return x + tf.random.normal(tf.shape(x))


def test_noise_is_found() -> None:
    (fault,) = answers(noise)
    assert isinstance(fault, Fault)
    assert fault.where.node is not None and fault.where.node.op == "RandomStandardNormal"


def test_dropout_inside_is_found() -> None:
    assert isinstance(answers(lambda x: tf.reduce_mean(tf.nn.dropout(x, 0.5), [1, 2]))[0], Fault)


def test_noise_in_a_nested_function_is_found() -> None:
    assert isinstance(answers(tf.function(lambda x: tf.function(noise)(x) * 2.0))[0], Fault)


def logged(x: tf.Tensor) -> tf.Tensor:
    random = tf.random.uniform([])
    shown = tf.cond(random < 0.1, lambda: [tf.print(x)] and random, lambda: random)
    with tf.control_dependencies([tf.print(shown)]):
        return tf.identity(x)


def kept(x: tf.Tensor) -> tf.Tensor:
    """Noise that reaches the output of the next run."""
    state = tf1.get_variable("state", [3], use_resource=True)
    with tf.control_dependencies([tf.identity(x + state)]):
        update = state.assign(tf.random.uniform([3]))
    with tf.control_dependencies([update]):
        return x + state


def kept_at_random(x: tf.Tensor) -> tf.Tensor:
    """A constant that is kept in some runs, and reaches the output of the next one."""
    state = tf1.get_variable("state", [], use_resource=True)
    update = tf.cond(tf.random.uniform([]) < 0.5, lambda: state.assign(1.0), state.read_value)
    with tf.control_dependencies([update]):
        return x + state


def kept_for_nobody(x: tf.Tensor) -> tf.Tensor:
    state = tf1.get_variable("state", [3], use_resource=True)
    with tf.control_dependencies([state.assign(tf.random.uniform([3]))]):
        return tf.identity(x)


@pytest.mark.parametrize("v1_control_flow", [False, True])
def test_random_values_count_if_they_reach_an_output_or_a_state_that_is_read(v1_control_flow: bool) -> None:
    assert answers(logged, v1_control_flow=v1_control_flow) == []
    assert answers(kept_for_nobody, v1_control_flow=v1_control_flow) == []
    assert [type(item) for item in answers(kept, v1_control_flow=v1_control_flow)] == [Fault]
    assert [type(item) for item in answers(kept_at_random, v1_control_flow=v1_control_flow)] == [Fault]


def test_noise_in_a_loop_is_found() -> None:
    def loop(x: tf.Tensor) -> tf.Tensor:
        return tf.while_loop(lambda i, _: i < 2, lambda i, y: (i + 1, noise(y)), (0, x))[1]

    assert isinstance(answers(loop)[0], Fault)
    assert isinstance(answers(loop, v1_control_flow=True)[0], Fault)


def test_a_random_number_of_turns_is_found() -> None:
    def loop(x: tf.Tensor) -> tf.Tensor:
        return tf.while_loop(lambda _: tf.random.uniform([]) < 0.5, lambda y: [y * 2.0], [x])[0]

    assert isinstance(answers(loop)[0], Fault)


def test_a_random_choice_is_found() -> None:
    assert isinstance(answers(lambda x: tf.cond(tf.random.uniform([]) < 0.5, lambda: x, lambda: -x))[0], Fault)


def test_a_random_value_in_a_variable_is_found() -> None:
    def assigned(x: tf.Tensor) -> tf.Tensor:
        variable = tf1.get_variable("scale", [], use_resource=True)
        with tf.control_dependencies([variable.assign(tf.random.uniform([]))]):
            return x * variable.read_value()

    assert isinstance(answers(assigned)[0], Fault)


def test_random_initialisers_are_not_run() -> None:
    assert answers(lambda x: x * tf1.get_variable("scale", [3], initializer=tf1.random_normal_initializer())) == []


def test_a_random_op_that_no_output_needs_is_not_run() -> None:
    def unused(x: tf.Tensor) -> tf.Tensor:
        noise(x)
        return x

    assert answers(unused) == []
    assert answers(lambda x: tf.reshape(x, tf.shape(noise(x)))) == []


def test_a_seed_that_is_fixed_gives_the_same_numbers() -> None:
    assert answers(lambda x: x @ tf.random.stateless_normal([3, 8], **SEEDED)) == []


def test_a_seed_from_the_images_gives_the_same_numbers() -> None:
    def hashed(x: tf.Tensor) -> tf.Tensor:
        seed = tf.cast(tf.stack([tf.reduce_sum(x), tf.reduce_max(x)]) * 1e3, tf.int32)
        return x + tf.random.stateless_normal(tf.shape(x), seed)

    assert answers(hashed) == []


def test_a_seed_from_the_clock_is_found() -> None:
    def clocked(x: tf.Tensor) -> tf.Tensor:
        now = tf.cast(tf.timestamp(), tf.int32)
        return x + tf.random.stateless_normal(tf.shape(x), [now, 1])

    found = answers(clocked)
    assert [item.found for item in found if isinstance(item, Fault)] == ["StatelessRandomNormalV2 in inference"]


def test_a_clock_is_found_where_it_reaches_an_output() -> None:
    def scaled(x: tf.Tensor) -> tf.Tensor:
        return x * tf.cast(tf.timestamp() // 3600 % 24, tf.float32)

    def noted(x: tf.Tensor) -> tf.Tensor:
        last = tf1.get_variable("last", [], tf.float64, use_resource=True)
        with tf.control_dependencies([last.assign(tf.timestamp())]):
            return tf.identity(x)

    found = answers(scaled)
    assert [item.message for item in found if isinstance(item, Fault)] == [
        "Timestamp reads the clock in inference (Timestamp)"
    ]
    assert answers(noted) == []


@pytest.mark.parametrize("advances", [True, False])
def test_a_seed_variable_counts_if_a_run_changes_it(advances: bool) -> None:
    def seeded(x: tf.Tensor) -> tf.Tensor:
        seed = tf1.get_variable("seed", [2], tf.int32, use_resource=True)
        with tf.control_dependencies([seed.assign_add([0, 1])] if advances else []):
            return x + tf.random.stateless_normal(tf.shape(x), seed.read_value())

    assert [type(item) for item in answers(seeded)] == ([Fault] if advances else [])


@pytest.mark.parametrize("v1_control_flow", [False, True])
@pytest.mark.parametrize("flag", [False, True])
def test_only_the_branch_of_a_constant_condition_counts(flag: bool, v1_control_flow: bool) -> None:
    def branch(x: tf.Tensor) -> tf.Tensor:
        phase = tf1.placeholder_with_default(flag, [])
        return tf1.cond(phase, lambda: noise(x), lambda: tf.identity(x))

    found = answers(branch, v1_control_flow=v1_control_flow)
    assert [type(item) for item in found] == ([Fault] if flag else [])


@pytest.mark.parametrize("keep_prob", [1.0, 0.5])
def test_a_keep_prob_that_is_one_unless_fed_drops_nothing(keep_prob: float) -> None:
    found = answers(lambda x: tf1.nn.dropout(x, keep_prob=tf1.placeholder_with_default(keep_prob, [])))
    assert [type(item) for item in found] == ([Fault] if keep_prob < 1 else [])


def test_a_noisy_value_that_is_never_selected_does_not_count() -> None:
    assert answers(lambda x: tf.where(tf.constant(False), noise(x), x)) == []


@pytest.mark.parametrize("v1_control_flow", [False, True])
def test_a_condition_that_is_fed_leaves_it_to_a_run(v1_control_flow: bool) -> None:
    def branch(x: tf.Tensor) -> tf.Tensor:
        y = tf1.cond(tf1.placeholder(tf.bool, []), lambda: noise(x), lambda: tf.identity(x))
        return tf1.cond(tf1.placeholder(tf.bool, []), lambda: y + 1.0, lambda: y)

    (skip,) = answers(branch, v1_control_flow=v1_control_flow)
    assert isinstance(skip, Skip) and skip.undecided


@pytest.mark.parametrize("v1_control_flow", [False, True])
def test_noise_after_a_condition_that_is_fed_is_found(v1_control_flow: bool) -> None:
    def branch(x: tf.Tensor) -> tf.Tensor:
        return noise(tf1.cond(tf1.placeholder(tf.bool, []), lambda: x * 2.0, lambda: tf.identity(x)))

    assert isinstance(answers(branch, v1_control_flow=v1_control_flow)[0], Fault)


def test_an_op_that_is_not_in_the_graph_leaves_it_to_a_run() -> None:
    graph_def = graph_of(lambda: tf.identity(tf.nn.elu(images(), name="hidden") + 1.0, name="output"))
    next(node for node in graph_def.node if node.name == "hidden").op = "XlaCallModule"
    (skip,) = answer(deterministic(Context(module_of(variant_of(graph_def, {"default": "output:0"})), CONTRACTS)))
    assert isinstance(skip, Skip) and skip.undecided


def test_the_training_variant_may_draw_random_numbers() -> None:
    graph_def = graph_of(lambda: tf.identity(noise(images()), name="output"))
    quiet = graph_of(lambda: tf.identity(images(), name="output"))
    variants = (
        variant_of(quiet, {"default": "output:0"}),
        variant_of(graph_def, {"default": "output:0"}, tags=("train",)),
    )
    assert answer(deterministic(Context(module_of(*variants), CONTRACTS))) == []


class Encoder(Weights):
    """A callable with a generator and a Keras 3 layer that keeps its own seed."""

    def __init__(self, *, always: bool) -> None:
        super().__init__()
        self.always = always
        self.dropout = keras.layers.Dropout(0.5)
        self.state = self.dropout.seed_generator.state.value

    @tf.function
    def __call__(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        return self.dropout(self.features(images), training=training or self.always)


@pytest.mark.parametrize("always", [False, True])
def test_a_saved_callable_is_checked_where_it_does_not_train(always: bool, tmp_path: Path) -> None:
    encoder = Encoder(always=always)
    for training in (False, True):
        encoder.__call__.get_concrete_function(IMAGES, training=training)
    signature = tf.function(lambda images: {"default": encoder(images)}, input_signature=[IMAGES])
    tf.saved_model.save(encoder, str(tmp_path), signatures={"image_feature_vector": signature})
    found = answer(deterministic(Context(read(tmp_path), CONTRACTS)))
    assert [type(item) for item in found] == ([Fault] if always else [])
    if always:
        assert isinstance(found[0], Fault) and "also in training=False" in found[0].found


def counted(x: tf.Tensor) -> tf.Tensor:
    """A mask that follows from how often the graph has run, without a random op."""
    state = tf1.get_variable("state", [], use_resource=True)
    with tf.control_dependencies([state.assign_add(1.0)]):
        return x * tf.math.floormod(state.read_value(), 2.0)


def with_variable(x: tf.Tensor) -> tf.Tensor:
    return x + tf1.get_variable("state", [3], use_resource=True)


def averaged(x: tf.Tensor) -> tf.Tensor:
    """A moving average that is updated in training and read in inference."""
    state = tf1.get_variable("state", [], use_resource=True)
    mean = tf.reduce_mean(x)
    with tf.control_dependencies([state.assign_add(0.1 * (mean - state))]):
        return x - mean


def looped(x: tf.Tensor) -> tf.Tensor:
    return tf.while_loop(lambda n, y: n < 3, lambda n, y: (n + 1, noise(y)), [0, x])[1]


def counted_down(x: tf.Tensor) -> tf.Tensor:
    """What runs a few times only."""
    state = tf1.get_variable("state", [], use_resource=True)
    with tf.control_dependencies([tf.debugging.assert_less(state.assign_add(1.0), 9.0)]):
        return tf.identity(x)


def asserted(x: tf.Tensor) -> tf.Tensor:
    with tf.control_dependencies([tf.debugging.assert_non_negative(x)]):
        return tf.identity(x)


VARYING = {
    "noise": noise,
    "noise in a loop": looped,
    "noise in a function": tf.function(lambda x: tf.function(noise)(x) * 2.0),
    "a fixed seed": lambda x: x + tf.random.stateless_uniform([3], [1, 2]),
    "noise that is kept": kept,
    "a counter": counted,
    "a counter in an assertion": counted_down,
    "a clock": lambda x: x * tf.cast(tf.timestamp(), tf.float32),
    "host code": lambda x: tf.numpy_function(abs, [x], tf.float32),
}
THE_SAME = {
    "no variable": lambda x: x * 2.0,
    "a variable": with_variable,
    "a moving average": averaged,
    "noise that is printed": logged,
    "noise that is kept for nobody": kept_for_nobody,
    "an assertion": asserted,
    "a branch": lambda x: tf.cond(tf.reduce_mean(x) > 0.5, lambda: x, lambda: -x),
}


@pytest.mark.parametrize("name", [*VARYING, *THE_SAME])
def test_what_need_not_be_repeated_has_neither_randomness_nor_state(name: str) -> None:
    build = {**VARYING, **THE_SAME}[name]
    graph_def = graph_of(lambda: tf.identity(build(images(shape=(None, HEIGHT, WIDTH, 3))), name="output"))
    context = Context(module_of(variant_of(graph_def, {"default": "output:0"})), CONTRACTS)
    analysis = context.analysis(context.module.variants[0])
    (entry,) = analysis.entries
    assert may_vary(analysis.graph, entry.outputs.values(), entry.images) == (name in VARYING)
