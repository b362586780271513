"""Modules that the builder accepts pass the checker, in both formats; errors for the others name the rule."""

from __future__ import annotations

import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import hubcheck
from hubcheck import author, hub
from hubcheck.rulebook.rules import load_rules

FAULTS = {
    "dropout on the features": "output/no-dropout",
    "softmax": "classification/logits",
    "half": "output/dtype",
    "map": "output/rank",
    "no batch": "output/batch-size",
    "unknown width": "output/width",
    "nothing": "output/dense",
    "noise": "behaviour/deterministic",
    "updates": "behaviour/deterministic",
    "classes": "classification/labels",
    "hidden name": "output/key-prefix",
}
LAYERS = {
    "conv": lambda: keras.layers.Conv2D(4, 3, padding="same", kernel_regularizer="l2"),
    "separable": lambda: keras.layers.SeparableConv2D(4, 3, padding="same"),
    "norm": keras.layers.BatchNormalization,
    "relu": keras.layers.ReLU,
    "silu": lambda: keras.layers.Activation("silu"),
    "drop": lambda: keras.layers.Dropout(0.3),
    "drop channels": lambda: keras.layers.SpatialDropout2D(0.3),
    "pool": lambda: keras.layers.MaxPooling2D(2, padding="same"),
    "layer norm": keras.layers.LayerNormalization,
    "noise": lambda: keras.layers.GaussianNoise(0.1),
}


@dataclass(frozen=True)
class Description:
    """A module as a publisher might describe it, with at most one fault."""

    layers: tuple[str, ...]
    tasks: tuple[str, ...]
    default: str
    size: tuple[int, int] = (9, 12)
    architecture: str = "Net"
    from_features: bool = False
    width: int = 5
    classes: int = 3
    labels: bool = True
    hidden: tuple[str, ...] = ()
    fault: str | None = None


@st.composite
def descriptions(draw) -> Description:
    tasks = draw(st.sampled_from([("features",), ("classes",), ("features", "classes")]))
    fault = draw(st.none() | st.sampled_from(sorted(FAULTS)))
    if fault in ("softmax", "classes") and "classes" not in tasks:
        tasks = ("features", "classes")
    if fault not in (None, "softmax", "classes") and "features" not in tasks:
        tasks = ("features",)
    return Description(
        size=(draw(st.integers(4, 20)), draw(st.integers(4, 20))),
        architecture=draw(st.from_regex(r"[A-Za-z][A-Za-z0-9_.-]{0,8}", fullmatch=True)),
        layers=tuple(draw(st.lists(st.sampled_from(sorted(LAYERS)), max_size=5))),
        tasks=tasks,
        default=draw(st.sampled_from(tasks)),
        from_features=draw(st.booleans()),
        width=draw(st.integers(1, 7)),
        classes=draw(st.integers(2, 5)),
        labels=draw(st.booleans()) or fault == "classes",
        hidden=tuple(draw(st.lists(st.sampled_from(["a", "b/c", "Conv_1", "deep/er/x"]), unique=True, max_size=2))),
        fault=fault,
    )


def build(case: Description) -> author.ImageModule:
    # Dropout before the pooling would be dropout on the features, so the last layer is a fixed one.
    network = keras.Sequential([keras.Input((*case.size, 3)), *(LAYERS[name]() for name in case.layers)])
    last = keras.layers.Conv2D(case.width, 1)
    head = keras.layers.Dense(case.classes)
    counter = tf.Variable(np.zeros(case.width, "f"), trainable=False)
    module = author.ImageModule(case.architecture, case.size)

    def embed(images, training):
        x = last(network(images, training=training))
        return x, tf.reduce_mean(x, [1, 2])

    def features(images, training):
        x, pooled = embed(images, training)
        fault = case.fault
        if fault == "dropout on the features" and training:
            pooled = tf.nn.dropout(pooled, 0.5)
        elif fault == "half":
            pooled = tf.cast(pooled, tf.float16)
        elif fault == "map":
            pooled = x
        elif fault == "no batch":
            pooled = tf.reduce_mean(pooled, 0, keepdims=True)
        elif fault == "unknown width":
            pooled = tf.boolean_mask(pooled, [True] * case.width, axis=1)
        elif fault == "nothing":
            return None
        elif fault == "noise":
            pooled = pooled + tf.random.normal(tf.shape(pooled))
        elif fault == "updates":
            counter.assign_add(tf.reduce_sum(pooled, 0))
            pooled = pooled + counter
        names = ("/x",) if fault == "hidden name" else case.hidden
        return author.Outputs(pooled, dict.fromkeys(names, x))

    def logits(features):
        scores = head(features)
        return tf.nn.softmax(scores) if case.fault == "softmax" else scores

    def logits_of_images(images, training):
        return logits(embed(images, training)[1])

    count = case.classes + (case.fault == "classes")
    labels = [f"class {index}" for index in range(count)] if case.labels else None
    if "features" in case.tasks:
        module.feature_vector(features)
    if "classes" in case.tasks:
        chained = case.from_features and "features" in case.tasks
        module.classification(classes=labels, activation="softmax")(logits if chained else logits_of_images)
    return module


SIGNATURES = {"features": "image_feature_vector", "classes": "image_classification"}


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
@given(case=descriptions())
def test_accepted_modules_conform_and_errors_name_the_rule(case):
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("error", author.AuthorWarning)
        path = Path(folder) / "m"
        export = {"default": SIGNATURES[case.default], "format": ("tf2", "tf1-hub"), "probe": False}
        if case.fault is not None:
            with pytest.raises(author.AuthorError) as caught:
                build(case).export(path, **export)
            rules = {finding.rule for finding in getattr(caught.value, "findings", ())} or {caught.value.rule}
            assert rules == {FAULTS[case.fault]} <= set(load_rules())
            assert caught.value.rule in str(caught.value)
            assert not path.exists()
            return
        made = build(case).export(path, **export)
        assert [finding for finding in made.findings if finding.rule != "classification/documentation"] == []
        images = np.random.default_rng(0).random((3, *case.size, 3), dtype=np.float32)
        values = [hub.Module(module)(images) for module in made.modules.values()]
        np.testing.assert_allclose(*values, rtol=1e-4, atol=1e-5)


def test_accepted_modules_conform_when_they_are_run(tmp_path):
    both = ("features", "classes")
    descriptions = (
        Description(("conv", "norm", "drop"), both, "features", from_features=True, hidden=("a", "b/c")),
        Description(("noise", "silu"), both, "classes"),
        Description(("drop channels",), ("classes",), "classes"),
    )
    for index, case in enumerate(descriptions):
        path, default = tmp_path / str(index), SIGNATURES[case.default]
        build(case).export(path, default=default, format=("tf2", "tf1-hub"), probe=False)
    report = hubcheck.validate(tmp_path)
    assert [finding for finding in report.findings if finding.level == "error"] == []
    assert len(report.modules) == 6 and report.exit_code == 0
