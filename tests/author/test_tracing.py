"""Return values are checked against the contract before anything is written."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from hubcheck import author
from tests.author.networks import HEIGHT, LABELS, WIDTH, Net

NET = Net()


def refusal(tmp_path, function, **options) -> author.AuthorError:
    module = author.ImageModule("Tiny", (HEIGHT, WIDTH))
    (module.classification(**options) if options else module.feature_vector)(function)
    with pytest.raises(author.AuthorError) as caught:
        module.export(tmp_path / "made" / "m", probe=False)
    assert not list(tmp_path.iterdir()), "the folder created for the module is removed too"
    return caught.value


def pooled(images):
    return tf.reduce_mean(NET.convolved(images), [1, 2])


@pytest.mark.parametrize(
    ("rule", "function", "words"),
    [
        ("output/dense", lambda images: None, "returns nothing"),
        ("output/dense", lambda images: {"default": pooled(images)}, "author.Outputs"),
        ("output/dense", lambda images: tf.sparse.from_dense(pooled(images)), "sparse"),
        ("output/dense", lambda images: tf.RaggedTensor.from_tensor(pooled(images)), "ragged"),
        ("behaviour/informative", lambda images: np.zeros((1, 4), "f"), "NumPy array"),
        ("output/dtype", lambda images: tf.cast(pooled(images), tf.float16), "tf.cast"),
        ("output/dtype", lambda images: tf.argmax(pooled(images), 1), "int64"),
        ("output/rank", NET.convolved, "tf.reduce_mean"),
        ("output/rank", lambda images: pooled(images)[:, 0], "2 dimensions"),
        (
            "output/batch-size",
            lambda images: tf.reduce_mean(pooled(images), 0, keepdims=True),
            "must be the batch size",
        ),
        ("output/width", lambda images: tf.boolean_mask(pooled(images), [True] * 6, axis=1), "ensure_shape"),
        ("output/key-prefix", lambda images: author.Outputs(pooled(images), hidden={"/x": images}), "slash"),
    ],
    ids=lambda value: value if isinstance(value, str) and "/" in value else "",
)
def test_the_error_for_a_wrong_result_names_the_rule_and_the_fix(tmp_path, rule, function, words):
    error = refusal(tmp_path, function)
    assert error.rule == rule
    assert words in str(error) and "\n" not in str(error)


def test_the_number_of_class_names_must_be_that_of_the_logits(tmp_path):
    error = refusal(tmp_path, pooled, classes=LABELS)
    assert error.rule == "classification/labels"
    assert "6 classes, but there are 3 class names" in str(error)


def test_an_error_of_the_function_is_reported_with_the_image_shape(tmp_path):
    def features(images):
        return tf.reduce_mean(tf.nn.conv2d(images, tf.zeros([30, 30, 3, 4]), 1, "VALID"), [1, 2])

    error = refusal(tmp_path, features)
    assert str(error).startswith("features fails on images [?, 12, 16, 3]: ")
    assert error.__cause__ is not None


def test_a_function_that_fails_in_training_only_says_so(tmp_path):
    def features(images, training):
        if training:
            raise RuntimeError("no data")
        return pooled(images)

    assert "in training" in str(refusal(tmp_path, features)) and "no data" in str(refusal(tmp_path, features))


def test_updates_in_inference_are_refused(tmp_path):
    error = refusal(tmp_path, lambda images: tf.reduce_mean(NET.normalized(NET.convolved(images), True), [1, 2]))
    assert error.rule == "behaviour/deterministic"
    assert "training" in str(error)


def test_a_hidden_output_must_be_a_dense_tensor(tmp_path):
    assert "hidden output 'x'" in str(refusal(tmp_path, lambda images: author.Outputs(pooled(images), hidden={"x": 3})))
