"""The statistics that find a dropout mask in repeated runs, and find none where there is none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubcheck.checks.dropout import no_dropout
from hubcheck.checks.dropout_runs import FEWEST_RUNS, MASKED, dropout_seen, masked_share
from hubcheck.checks.faults import Corroboration
from tests.checks.observed import TRAINING, context, faults, observations, run

SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.sampled_from([1e-11, 1.0, 1e6])


def features(random: np.random.Generator, runs: int = FEWEST_RUNS, width: int = 40) -> np.ndarray:
    """The same in every run."""
    return np.broadcast_to(random.normal(size=(4, width)), (runs, 4, width))


@given(SEEDS, st.floats(0.05, 0.9), SIZES)
@settings(max_examples=200)
def test_a_mask_shows_whatever_its_rate_and_the_size_of_the_values(seed, rate, size):
    random = np.random.default_rng(seed)
    fixed = features(random)
    mask = random.random(fixed.shape) >= rate
    assert masked_share(fixed * mask / (1 - rate) * size) >= MASKED


@given(SEEDS, SIZES)
def test_a_mask_behind_a_relu_shows_all_the_same(seed, size):
    random = np.random.default_rng(seed)
    fixed = np.maximum(features(random), 0)
    assert masked_share(fixed * (random.random(fixed.shape) >= 0.3) * size) >= MASKED


@given(SEEDS, st.floats(0.0, 0.99), SIZES)
@settings(max_examples=200)
def test_noise_inside_with_zeros_of_a_relu_is_no_mask(seed, sparsity, size):
    """However sparse the features are: an entry that is other than 0 once says nothing."""
    random = np.random.default_rng(seed)
    noisy = random.normal(size=(FEWEST_RUNS, 4, 40))
    assert masked_share(np.maximum(noisy - np.quantile(noisy, sparsity), 0) * size) < MASKED


@given(SEEDS, st.floats(0.0, 0.8))
def test_a_dropped_branch_beside_features_of_which_many_are_0_is_no_mask(seed, sparsity):
    """Where the features are 0, the sum is 0 or the branch's value; elsewhere it is two values, none of them 0."""
    random = np.random.default_rng(seed)
    dead = random.random((4, 40)) < sparsity
    branch = features(random) * (random.random((FEWEST_RUNS, 4, 40)) >= 0.3)
    assert masked_share(np.where(dead, 0.0, features(random)) + branch) < MASKED


@given(SEEDS, SIZES)
def test_codes_that_a_dropout_in_front_of_them_turns_are_no_mask(seed, size):
    """A threshold gives 0 or one number, the same for all entries."""
    random = np.random.default_rng(seed)
    assert masked_share((random.random((FEWEST_RUNS, 4, 40)) < 0.5) * size) == 0


@given(SEEDS)
def test_a_mask_on_a_part_of_the_outputs_shows(seed):
    random = np.random.default_rng(seed)
    fixed = features(random)
    mask = random.random(fixed.shape) >= 0.3
    assert masked_share(np.concatenate([fixed, fixed * mask], axis=-1)) >= MASKED


@given(SEEDS)
def test_nothing_random_is_no_mask(seed):
    random = np.random.default_rng(seed)
    assert masked_share(features(random)) == 0
    assert masked_share(np.maximum(features(random), 0)) == 0
    assert masked_share(features(random) * (1 + 1e-6 * random.normal(size=(FEWEST_RUNS, 4, 40)))) == 0


@given(SEEDS)
def test_stochastic_depth_is_no_mask(seed):
    """A branch that comes and goes adds to a residual: two values, neither of them 0."""
    random = np.random.default_rng(seed)
    branch = features(random) * (random.random((FEWEST_RUNS, 4, 1)) >= 0.5)
    assert masked_share(features(random) + branch) < MASKED


def test_zeros_alone_and_infinities_are_no_mask():
    assert masked_share(np.zeros((24, 2, 5))) == 0
    broken = np.full((24, 2, 5), np.inf)
    broken[::2] = np.nan
    assert masked_share(broken) < MASKED


def test_too_few_runs_are_refused():
    with pytest.raises(ValueError, match="too few"):
        masked_share(np.ones((7, 2, 2)))


def repeated(values: np.ndarray) -> list[object]:
    return [run("repeated", one, target=TRAINING) for one in values]


def test_a_mask_that_the_graph_did_not_show_is_a_finding_of_its_own():
    random = np.random.default_rng(0)
    fixed = features(random, width=16)
    seen = observations(*repeated(fixed * (random.random(fixed.shape) >= 0.5)))
    (fault,) = faults(dropout_seen(context(), seen))
    assert fault.where.variant == "train"
    assert fault.replay[-1] == "repeated"


def test_a_mask_that_the_graph_shows_is_confirmed_or_not_observable():
    random = np.random.default_rng(0)
    fixed = features(random, width=16)
    places = [fault.where for fault in faults(no_dropout(context("c_dropout_on_features_train")))]
    for values, words in ((fixed * (random.random(fixed.shape) >= 0.5), "confirmed"), (fixed, "not observable")):
        answers = list(dropout_seen(context("c_dropout_on_features_train", *places), observations(*repeated(values))))
        assert faults(iter(answers)) == []
        assert [words in item.text for item in answers if isinstance(item, Corroboration)] == [True]


def test_fewer_runs_than_it_takes_decide_nothing():
    random = np.random.default_rng(0)
    fixed = features(random, runs=FEWEST_RUNS - 1, width=16)
    seen = observations(*repeated(fixed * (random.random(fixed.shape) >= 0.5)))
    assert faults(dropout_seen(context(), seen)) == []
