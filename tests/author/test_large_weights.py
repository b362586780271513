"""Weights beyond 2 GB, the size that no protocol message may have."""

from __future__ import annotations

import os

import numpy as np
import psutil
import pytest
import tensorflow as tf

from hubcheck import author, hub
from tests.author.networks import HEIGHT, WIDTH, random_images

ROWS, WIDTH_OF_FEATURES = 550_000, 1_000
GIGABYTE = 2**30


@pytest.mark.slow
@pytest.mark.skipif("SWEEP" not in os.environ, reason="writes 9 GB: `make sweep` runs it")
@pytest.mark.skipif(psutil.virtual_memory().available < 14 * GIGABYTE, reason="less than 14 GB of free memory")
def test_weights_of_more_than_2_gb_are_written_in_both_formats_and_adapted(tmp_path):
    table = tf.Variable(tf.random.stateless_uniform([ROWS, WIDTH_OF_FEATURES], (1, 2)), name="table")
    module = author.ImageModule("Large", (HEIGHT, WIDTH))

    @module.feature_vector
    def features(images):
        rows = tf.cast(tf.reduce_mean(images, [1, 2, 3]) * ROWS, tf.int32)
        return (
            tf.ensure_shape(tf.gather(table, rows), [None, WIDTH_OF_FEATURES]) + tf.reduce_mean(images, [1, 2])[:, :1]
        )

    images = random_images(2)
    wanted = features(images)
    made = module.export(tmp_path / "m", format=("tf2", "tf1-hub"), probe=False)
    for folder in made.modules.values():
        assert sum(file.stat().st_size for file in folder.rglob("*.data-*")) > 2 * GIGABYTE
        np.testing.assert_allclose(hub.Module(folder)(images), wanted, rtol=1e-6)
    again = author.from_saved_model(made.modules["tf1-hub"], architecture="Large", features="default", pixels=(0, 1))
    folder = again.export(tmp_path / "again", probe=False).path
    np.testing.assert_allclose(hub.Module(folder)(images), wanted, rtol=1e-6)
