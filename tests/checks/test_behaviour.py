"""What the checks of runs conclude, from runs made by hand: values of any size, and what is no fault."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcheck.checks import behaviour, loading, probabilities, runs, serving, values
from hubcheck.checks.behaviour import dead_share
from hubcheck.checks.faults import Skip
from hubcheck.probe.observations import CONSTANT, Device, Failure, Load, NotRun, Observations, Output, ProbeTarget, Run
from hubcheck.util.numbers import difference
from tests.checks.observed import FEATURES, TRAINING, context, faults, is_sound, observations, run, skips

SIZES = st.sampled_from([1e-30, 1e-11, 1.0, 1e6, 1e30])
RESULT = np.random.default_rng(0).normal(size=(5, 16))


def whole(result: np.ndarray, *, again: np.ndarray | None = None, alone: np.ndarray | None = None) -> Observations:
    """The calls of one signature that is a function of its rows."""
    constant = np.random.default_rng(1).normal(size=(3, 1, result.shape[1])) * np.abs(result).max()
    return observations(
        run("pictures", result),
        *(run(purpose, row.repeat(2, axis=0)) for purpose, row in zip(CONSTANT, constant, strict=True)),
        run("swapped", result[[-1, 0]]),
        run("alone", result[:1] if alone is None else alone),
        run("again", result if again is None else again),
    )


@given(SIZES, st.integers(0, 5))
def test_a_sound_module_has_no_fault_whatever_the_size_of_its_values(size, seed):
    noise = 1 + 1e-6 * np.random.default_rng(seed).normal(size=RESULT.shape)
    seen = whole(RESULT * size, again=RESULT * size * noise, alone=(RESULT * size * noise)[:1])
    for check in (behaviour.deterministic, behaviour.batch_independence, behaviour.finite, behaviour.informative):
        assert is_sound(check(context(), seen)), check.__name__


@given(SIZES, st.floats(0.005, 10))
def test_another_answer_the_second_time_is_a_fault_whatever_its_size(size, change):
    again = RESULT.copy()
    again[2, 3] += change * np.abs(RESULT).max()
    (fault,) = faults(behaviour.deterministic(context(), whole(RESULT * size, again=again * size)))
    assert fault.replay == ("--signature", "image_feature_vector", "--calls", "pictures,again")


def test_another_answer_in_a_second_load_is_a_fault():
    seen = observations(run("pictures", RESULT), run("again", RESULT), run("reloaded", RESULT * 1.1))
    (fault,) = faults(behaviour.deterministic(context(), seen))
    assert "what was asked before" in (fault.message or "")


@given(SIZES, st.floats(0.005, 10))
def test_a_row_that_changes_with_its_company_is_a_fault_whatever_its_size(size, change):
    alone = RESULT[:1] + change * np.abs(RESULT).max()
    (fault,) = faults(behaviour.batch_independence(context(), whole(RESULT * size, alone=alone * size)))
    assert "batch of 1" in fault.found


def test_small_rows_beside_large_ones_may_differ_by_a_share_of_the_output():
    rows = RESULT.copy()
    rows[0] *= 1e-6
    assert faults(behaviour.batch_independence(context(), whole(rows, alone=rows[:1] * 1.1))) == []


@pytest.mark.parametrize(("value", "kind"), [(np.nan, "NaN"), (np.inf, "infinite"), (-np.inf, "infinite")])
def test_one_value_that_is_not_finite_is_a_fault_and_names_the_image(value, kind):
    wrong = RESULT.copy()
    wrong[2, 0] = value
    (fault,) = faults(behaviour.finite(context(), whole(wrong)))
    assert (fault.details["kind"], fault.details["pictures"]) == (kind, "gradient")


def test_what_is_not_finite_twice_is_deterministic():
    wrong = RESULT.copy()
    wrong[0] = np.nan
    assert faults(behaviour.deterministic(context(), whole(wrong))) == []


def test_dead_features_are_no_fault_until_hardly_any_other_is_left():
    some = np.where(np.arange(16) < 12, 0.5, RESULT)
    everything = np.full((5, 16), 0.5)
    black = run("black", np.full((2, 16), 0.5))
    assert faults(behaviour.informative(context(), observations(run("pictures", some), black))) == []
    (fault,) = faults(behaviour.informative(context(), observations(run("pictures", everything), black)))
    assert (fault.details["share"], fault.found[:5], fault.level, fault.varies) == ("all", "100 %", None, True)
    rare = np.full((5, 300), 0.5)
    rare[:, 0] = RESULT[:, 0]
    (fault,) = faults(behaviour.informative(context(), observations(run("pictures", rare), run("black", rare[:2]))))
    assert (fault.details["share"], fault.level) == ("more than 99 %", "warning")


def test_images_of_one_colour_alone_do_not_show_that_features_are_dead():
    runs = [run(colour, np.full((2, 16), 0.5)) for colour in CONSTANT]
    items = list(behaviour.informative(context(), observations(*runs)))
    assert [type(item) for item in items] == [Skip]


@pytest.mark.parametrize("size", [1e-30, 1.0, 1e30])
def test_dead_means_the_same_relative_to_its_own_size(size):
    rows = np.array([[1.0, 1.0, 0.0], [1.0, 1.001, 0.0], [1.0 + 1e-7, 0.999, 0.0]]) * size
    assert dead_share(rows) == pytest.approx(2 / 3)


def test_rounding_near_zero_brings_no_feature_to_life():
    rows = np.full((4, 24), 1.5)
    rows[:, 0] = [0.02, 0.02 + 5e-6, 0.02, 0.02]
    assert dead_share(rows) == 1
    rows[:, 0] = [0.02, 0.02 + 5e-5, 0.02, 0.02]
    assert dead_share(rows) == pytest.approx(23 / 24)


@given(SIZES)
def test_difference_is_a_part_of_the_largest_value(size):
    one = np.array([1.0, -4.0, 2.0]) * size
    assert difference(one, one) == 0
    assert difference(one, one + np.array([0, 0, 0.4]) * size) == pytest.approx(0.1)
    assert difference(np.zeros(3), np.zeros(3)) == 0


def test_difference_knows_infinities():
    nan, inf = np.nan, np.inf
    assert difference(np.array([nan, inf]), np.array([nan, inf])) == 0
    assert difference(np.array([nan, 1.0]), np.array([0.0, 1.0])) == inf
    assert difference(np.array([inf]), np.array([-inf])) == inf
    assert difference(np.array([nan, 1.0]), np.array([nan, 2.0])) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="shapes"):
        difference(np.zeros(2), np.zeros(3))


ERROR = Failure("error", "it broke")


def test_a_size_that_fails_is_not_a_signature_that_fails():
    seen = observations(run("pictures", RESULT), run("three", RESULT[:3]), run("alone", failure=ERROR))
    assert faults(runs.runs(context(), seen)) == []
    (fault,) = faults(runs.batch_size(context(), seen))
    assert (fault.details["sizes"], fault.details["good"]) == ("1", "3 and 5 images")


def test_a_signature_that_fails_at_every_size_is_reported_once():
    default = ProbeTarget("", "default")
    seen = observations(
        *(run(purpose, failure=ERROR) for purpose in ("pictures", "three", "swapped", "alone")),
        run("pictures", failure=ERROR, target=default),
    )
    assert len(faults(runs.runs(context(), seen))) == 1
    assert faults(runs.batch_size(context(), seen)) == []


def test_what_runs_once_but_not_again_is_a_fault():
    (fault,) = faults(runs.runs(context(), observations(run("pictures", RESULT), run("again", failure=ERROR))))
    assert fault.found == "it broke"


def test_an_image_that_fails_at_a_size_that_works_is_named_and_no_size_is_blamed():
    seen = observations(run("pictures", RESULT), run("swapped", RESULT[:2]), run("black", failure=ERROR))
    (fault,) = faults(runs.runs(context(), seen))
    assert fault.message == "it does not run on black images: {found}"
    assert faults(runs.batch_size(context(), seen)) == []


def test_a_batch_that_runs_with_copies_of_one_image_fails_because_of_its_images():
    seen = observations(run("alone", RESULT[:1]), run("three", failure=ERROR), run("copies", RESULT[[0, 0, 0]]))
    assert len(faults(runs.runs(context(), seen))) == 1
    assert faults(runs.batch_size(context(), seen)) == []


def test_nothing_run_is_a_skip_that_says_why():
    seen = Observations(not_run=(NotRun(FEATURES, "cpu", "it also needs a flag"),))
    for check in (runs.runs, runs.declared_shape):
        assert "it also needs a flag" in skips(check(context(), seen))[0]


@pytest.mark.parametrize(
    ("shape", "batch", "wrong"),
    [((5, 16), 5, False), ((5, 15), 5, True), ((4, 16), 5, True), ((5, 16, 1), 5, True), ((5,), 5, True)],
)
def test_real_shapes_are_held_against_declared_ones(shape, batch, wrong):
    assert bool(faults(runs.declared_shape(context(), observations(run("pictures", np.ones(shape)))))) is wrong


def test_real_dtypes_are_held_against_declared_ones():
    made = run("pictures", RESULT)
    other = Run(**{**_fields(made), "outputs": {"default": Output("float64", (5, 16))}})
    (fault,) = faults(runs.declared_shape(context(), observations(other)))
    assert fault.found.startswith("float64 [5, 16]")


def _fields(made: Run) -> dict[str, object]:
    return {name: getattr(made, name) for name in made.__dataclass_fields__}


@pytest.mark.parametrize(
    ("failure", "words", "fix"),
    [
        (Failure("op", "the op Foo is not registered in stock TensorFlow"), "Foo", "library"),
        (Failure("keras2", "loads only where tf_keras is installed"), "tf_keras", "optimizer"),
        (Failure("protocol", "the module's code interfered with its own check"), "interfered", "native or Python code"),
    ],
)
def test_a_load_that_fails_is_reported_with_its_fix(failure, words, fix):
    (fault,) = faults(loading.loads(context(), observations(loads=(Load("", "cpu", failure=failure),))))
    assert words in fault.found
    assert fix in (fault.fix or "")


def test_a_load_that_a_limit_ended_leaves_the_rule_without_an_answer():
    reason = "the worker was stopped at its deadline of 3 s; raise it with --timeout"
    seen = Observations((Device("cpu", True),), not_run=(NotRun(None, "cpu", reason),))
    (first, *_) = loading.loads(context(), seen)
    assert isinstance(first, Skip)
    assert (first.incomplete, reason in first.reason) == (True, True)


def test_the_session_loader_is_compared_only_with_what_is_repeatable():
    served = ProbeTarget("", "image_feature_vector", session=True)
    other = run("alone", RESULT[:1] * 2, target=served)
    (fault,) = faults(serving.servable(context(), _with_session(whole(RESULT), other)))
    assert fault.message is not None
    random = whole(RESULT, again=RESULT * 3)
    assert faults(serving.servable(context(), _with_session(random, other))) == []


def _with_session(seen: Observations, *more: Run) -> Observations:
    return observations(*seen.runs, *more, loads=(Load("", "cpu"), Load("", "cpu", session=True)))


def test_what_fails_without_a_session_too_is_not_the_session_loaders_fault():
    served = ProbeTarget("", "image_feature_vector", session=True)
    seen = observations(
        run("pictures", RESULT),
        run("alone", failure=ERROR),
        run("alone", failure=ERROR, target=served),
        loads=(Load("", "cpu"), Load("", "cpu", session=True)),
    )
    assert faults(serving.servable(context(), seen)) == []


SCORES = ProbeTarget("", "image_classification")


def softmax(rows: np.ndarray) -> np.ndarray:
    return np.exp(rows) / np.exp(rows).sum(axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("rows", "wrong"),
    [
        (softmax(RESULT), True),
        (softmax(RESULT * 50), True),
        (RESULT, False),
        (softmax(RESULT) * 1.1, False),
        (softmax(RESULT) - 0.1, False),
        (np.log(softmax(RESULT)), True),
        (np.zeros((5, 16)), False),
        (np.ones((5, 1)), False),
        (1 / (1 + np.exp(-RESULT)), False),
    ],
)
def test_rows_that_sum_to_one_are_probabilities(rows, wrong):
    seen = observations(run("pictures", rows, target=SCORES))
    answers = probabilities.not_probabilities(context("b_good_classification"), seen, signature="image_classification")
    assert bool(faults(answers)) is wrong


def test_a_default_signature_with_other_values_is_reported_with_the_nearest_task():
    default = ProbeTarget("", "default")
    other = observations(run("pictures", RESULT), run("pictures", RESULT + 1, target=default))
    (fault,) = faults(values.default_is_a_task(context("n_default_differs"), other))
    assert "image_feature_vector" in fault.found
    same = observations(run("pictures", RESULT), run("pictures", RESULT * (1 + 1e-5), target=default))
    assert faults(values.default_is_a_task(context("n_default_differs"), same)) == []


def test_training_is_not_checked_like_inference():
    seen = observations(
        run("pictures", RESULT),
        run("again", RESULT),
        run("pictures", RESULT * np.nan, target=TRAINING),
        run("again", RESULT * 2, target=TRAINING),
    )
    assert faults(behaviour.deterministic(context(), seen)) == []
    assert faults(behaviour.finite(context(), seen)) == []
