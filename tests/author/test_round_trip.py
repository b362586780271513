"""Whatever the builder accepts, the checker passes, in both formats; whatever it refuses names the rule."""

from __future__ import annotations

import shutil
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
class Plan:
    """A module as a publisher might describe it, with at most one mistake."""

    size: tuple[int, int]
    architecture: str
    layers: tuple[str, ...]
    tasks: tuple[str, ...]
    default: str
    from_features: bool
    width: int
    classes: int
    labels: bool
    hidden: tuple[str, ...]
    fault: str | None


@st.composite
def plans(draw) -> Plan:
    tasks = draw(st.sampled_from([("features",), ("classes",), ("features", "classes")]))
    fault = draw(st.none() | st.sampled_from(sorted(FAULTS)))
    if fault in ("softmax", "classes") and "classes" not in tasks:
        tasks = ("features", "classes")
    if fault not in (None, "softmax", "classes") and "features" not in tasks:
        tasks = ("features",)
    return Plan(
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


def build(plan: Plan) -> author.ImageModule:
    # Dropout that a pooling follows would be on the features: what stands last is not left to chance.
    network = keras.Sequential([keras.Input((*plan.size, 3)), *(LAYERS[name]() for name in plan.layers)])
    last = keras.layers.Conv2D(plan.width, 1)
    head = keras.layers.Dense(plan.classes)
    counter = tf.Variable(np.zeros(plan.width, "f"), trainable=False)
    module = author.ImageModule(plan.architecture, plan.size)

    def embed(images, training):
        x = last(network(images, training=training))
        return x, tf.reduce_mean(x, [1, 2])

    def features(images, training):
        x, pooled = embed(images, training)
        fault = plan.fault
        if fault == "dropout on the features" and training:
            pooled = tf.nn.dropout(pooled, 0.5)
        elif fault == "half":
            pooled = tf.cast(pooled, tf.float16)
        elif fault == "map":
            pooled = x
        elif fault == "no batch":
            pooled = tf.reduce_mean(pooled, 0, keepdims=True)
        elif fault == "unknown width":
            pooled = tf.boolean_mask(pooled, [True] * plan.width, axis=1)
        elif fault == "nothing":
            return None
        elif fault == "noise":
            pooled = pooled + tf.random.normal(tf.shape(pooled))
        elif fault == "updates":
            counter.assign_add(tf.reduce_sum(pooled, 0))
            pooled = pooled + counter
        names = ("/x",) if fault == "hidden name" else plan.hidden
        return author.Outputs(pooled, dict.fromkeys(names, x))

    def logits(features):
        scores = head(features)
        return tf.nn.softmax(scores) if plan.fault == "softmax" else scores

    def logits_of_images(images, training):
        return logits(embed(images, training)[1])

    labels = [f"class {index}" for index in range(plan.classes + (plan.fault == "classes"))] if plan.labels else None
    if "features" in plan.tasks:
        module.feature_vector(features)
    if "classes" in plan.tasks:
        chained = plan.from_features and "features" in plan.tasks
        module.classification(classes=labels, activation="softmax")(logits if chained else logits_of_images)
    return module


SIGNATURES = {"features": "image_feature_vector", "classes": "image_classification"}


@pytest.fixture(scope="module")
def accepted(tmp_path_factory) -> Path:
    """Modules that were accepted, to be run later, all at once."""
    return tmp_path_factory.mktemp("accepted")


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
@given(plan=plans())
def test_what_is_accepted_conforms_and_what_is_refused_names_the_rule(plan, accepted):
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("error", author.AuthorWarning)
        path = Path(folder) / "m"
        export = {"default": SIGNATURES[plan.default], "format": ("tf2", "tf1-hub"), "probe": False}
        if plan.fault is not None:
            with pytest.raises(author.AuthorError) as caught:
                build(plan).export(path, **export)
            rules = {finding.rule for finding in getattr(caught.value, "findings", ())} or {caught.value.rule}
            assert rules == {FAULTS[plan.fault]} <= set(load_rules())
            assert caught.value.rule in str(caught.value)
            assert not path.exists()
            return
        made = build(plan).export(path, **export)
        assert [finding for finding in made.findings if finding.rule != "classification/documentation"] == []
        images = np.random.default_rng(0).random((3, *plan.size, 3), dtype=np.float32)
        values = [hub.Module(module)(images) for module in made.modules.values()]
        np.testing.assert_allclose(*values, rtol=1e-4, atol=1e-5)
        if len(list(accepted.iterdir())) < 3:
            shutil.copytree(path, accepted / str(len(list(accepted.iterdir()))))


def test_what_was_accepted_keeps_its_promises_when_it_is_run(accepted):
    if not any(accepted.iterdir()):
        pytest.skip("the test that makes the modules did not run in this process")
    report = hubcheck.validate(accepted)
    findings = [finding for finding in report.findings if finding.level == "error"]
    assert not findings and report.exit_code == 0
