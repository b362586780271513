"""The Hypothesis strategies: what they draw, how it shrinks, and that they find a real fault."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hubcheck
from hubcheck.testing.strategies import image_batches, images
from hubcheck.util.errors import UserError
from tests.paths import DATA

GOOD = DATA / "a_good_feature_vector"


@given(image_batches(GOOD))
def test_batches_are_what_the_module_expects(images):
    assert images.dtype == np.float32
    assert images.shape[1:] == (32, 24, 3)
    assert 1 <= len(images) <= 5
    assert images.min() >= 0
    assert images.max() <= 1


@settings(max_examples=30)
@given(st.integers(1, 40), st.integers(1, 40), st.data())
def test_images_of_any_size_are_in_range(height, width, data):
    picture = data.draw(images(height, width))
    assert picture.shape == (height, width, 3)
    assert picture.dtype == np.float32
    assert 0 <= picture.min() <= picture.max() <= 1


def smallest(batches: st.SearchStrategy, wrong: Callable[[np.ndarray], bool]) -> np.ndarray:
    """What a property that does not hold is reported with."""
    seen = []

    @settings(database=None, derandomize=True, max_examples=200)
    @given(batches)
    def holds(images):
        if wrong(images):
            seen.append(images)
            raise AssertionError

    with pytest.raises(AssertionError):
        holds()
    return seen[-1]


def test_failures_shrink_to_one_black_image():
    images = smallest(image_batches(GOOD), lambda images: True)
    assert images.shape == (1, 32, 24, 3)
    assert not images.any()


def test_failures_of_images_with_edges_shrink_to_one_such_image():
    images = smallest(image_batches((8, 8)), lambda images: bool(np.ptp(images, axis=(1, 2)).any()))
    edged = np.ptp(images, axis=(1, 2)).any(axis=-1)
    assert edged.sum() == 1
    assert not images[~edged].any(), "what is beside it is black"


def test_the_module_may_be_given_as_facts():
    images = smallest(image_batches(hubcheck.read(GOOD), min_batch=2), lambda images: True)
    assert images.shape == (2, 32, 24, 3)


def test_a_module_without_image_size_is_an_error(tmp_path: Path):
    shutil.copytree(DATA / "a_good_feature_vector", tmp_path / "m")
    (tmp_path / "m" / "saved_model.pb").write_bytes(b"")
    with pytest.raises(UserError, match="declares no image size"):
        image_batches(tmp_path / "m")


def test_a_property_finds_a_module_that_squeezes_a_batch_of_one(fixture_module: Callable[[str], Path]):
    """The README's example, on a module that drops the batch dimension of a single image."""
    from hubcheck import hub

    path = fixture_module("behaviour/batch-size/bad")
    module = hub.Module(str(path))

    def fails(images: np.ndarray) -> bool:
        try:
            return len(module(images)) != len(images)
        except Exception:
            return True

    images = smallest(image_batches(path), fails)
    assert len(images) == 1
    assert not images.any()
