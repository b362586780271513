"""How far the values of two versions agree, on modules for which the difference is known."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import hubcheck
from hubcheck.diff.changes import Agreement
from hubcheck.diff.values import compare_values
from hubcheck.rulebook.contract import load_contracts
from tests.cli.command import hubcheck as hubcheck_command
from tests.probe.modules import convolved, pooled, tensorflow

HEIGHT, WIDTH = 16, 12

Network = Callable[[Any, Any], dict[str, Any]]
"""Outputs by key, of images and a kernel [3, 3, 3, 6] that is the same in every version."""


def published(path: Path, network: Network, *, height: int = HEIGHT) -> Path:
    """A SavedModel with the signature image_feature_vector."""
    tf = tensorflow()
    module = tf.Module()
    module.kernel = tf.Variable(tf.random.stateless_normal([3, 3, 3, 6], seed=[1, 2]), name="kernel")
    spec = tf.TensorSpec([None, height, WIDTH, 3], tf.float32, name="images")
    signature = tf.function(lambda images: network(images, module.kernel), input_signature=[spec], autograph=False)
    tf.saved_model.save(module, str(path), signatures={"image_feature_vector": signature})
    return path


def scaled(by: float, plus: float = 0.0) -> Network:
    return lambda images, kernel: {"default": by * pooled(images, kernel) + plus}


def noisy(images: Any, kernel: Any) -> dict[str, Any]:
    """Weights that differ a little, each on its own."""
    tf = tensorflow()
    other = kernel * (1 + 1e-3 * tf.random.stateless_normal(kernel.shape, seed=[3, 4]))
    return {"default": pooled(images, other)}


def unrelated(images: Any, kernel: Any) -> dict[str, Any]:
    tf = tensorflow()
    return {"default": pooled(images, tf.random.stateless_normal(kernel.shape, seed=[5, 6])) + 100.0}


def blind(images: Any, kernel: Any) -> dict[str, Any]:
    return {"default": 0.0 * pooled(images, kernel) + 1.0}


def hidden(by: float) -> Network:
    return lambda images, kernel: {"default": pooled(images, kernel), "Net/conv": by * convolved(images, kernel)}


NETWORKS: dict[str, Network] = {
    "one": scaled(1.0),
    "quarter more": scaled(1.25),
    "tiny": scaled(1e-9),
    "tiny, quarter more": scaled(1.25e-9),
    "a bit more": scaled(1.001),
    "noisy": noisy,
    "far away": scaled(1.0, plus=100.0),
    "unrelated": unrelated,
    "blind": blind,
    "hidden": hidden(1.0),
    "hidden doubled": hidden(2.0),
    "infinite": scaled(float("inf")),
    "failing": lambda images, kernel: {
        "default": tensorflow().ensure_shape(pooled(images, kernel) + tensorflow().zeros([7, 1]), [None, 6])
    },
}


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("versions")

    def publish(name: str) -> Path:
        path = folder / name
        return path if path.exists() else published(path, NETWORKS[name])

    return publish


def compared(old: Path, new: Path) -> list[Agreement]:
    rows, incomplete = compare_values(hubcheck.read(old), hubcheck.read(new), load_contracts())
    assert incomplete is None
    return rows


@pytest.mark.parametrize(
    ("old", "new", "difference"),
    [("one", "quarter more", 0.2), ("tiny", "tiny, quarter more", 0.2), ("one", "a bit more", 0.001 / 1.001)],
)
def test_the_difference_is_the_largest_one_relative_to_the_largest_value(version, old, new, difference):
    (row,) = compared(version(old), version(new))
    assert row.difference == pytest.approx(difference, rel=1e-3)
    assert row.correlation == pytest.approx(1.0, abs=1e-6)


def test_slightly_different_weights_give_slightly_different_values(version):
    (row,) = compared(version("one"), version("noisy"))
    assert row.difference is not None
    assert row.correlation is not None
    assert 1e-5 < row.difference < 1e-2
    assert row.correlation > 0.9999


def test_unrelated_weights_have_a_low_correlation_beside_a_large_common_constant(version):
    """Beside a constant of 100 the features are small, but they change differently from image to image."""
    (row,) = compared(version("far away"), version("unrelated"))
    assert row.difference is not None
    assert row.correlation is not None
    assert row.difference < 0.1
    assert row.correlation < 0.9


def test_a_constant_output_has_no_correlation(version):
    (row,) = compared(version("one"), version("blind"))
    assert row.correlation is None
    assert row.difference is not None


def test_each_output_is_compared_on_its_own(version):
    rows = {row.output: row.difference for row in compared(version("hidden"), version("hidden doubled"))}
    assert rows == {"default": 0.0, "Net/conv": pytest.approx(0.5)}
    assert [row.output for row in compared(version("one"), version("hidden"))] == ["default"]


def test_values_that_cannot_be_compared_have_a_reason(version, tmp_path):
    (row,) = compared(version("one"), version("infinite"))
    assert (row.difference, row.correlation, row.reason) == (None, None, "not all values are finite")
    (row,) = compared(version("one"), published(tmp_path / "larger", scaled(1.0), height=HEIGHT + 4))
    assert row.reason == "the versions take images of 16x12 and 20x12 pixels"


def test_a_new_version_that_does_not_run_is_breaking(version):
    (row,) = compared(version("one"), version("failing"))
    assert row.fails
    (row,) = compared(version("failing"), version("one"))
    assert not row.fails
    assert (row.reason or "").startswith("the old version does not run")


def test_the_difference_is_printed_and_does_not_change_the_verdict(version):
    command = ["diff", version("one"), version("quarter more")]
    done = hubcheck_command(*command)
    assert done.returncode == 0, done.stdout
    text = " ".join(done.stdout.split())
    assert 'image_feature_vector · outputs["default"] the values for the same images differ by up to 20 %' in text
    assert "correlation 1.0000" in text
    report = json.loads(hubcheck_command(*command, "--format", "json").stdout)
    assert report["verdict"] == "compatible"
    assert [row["output"] for row in report["agreements"]] == ["default"]
