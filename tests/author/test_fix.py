"""`hubcheck fix`: what is fixed is proven by runs, and what is not is told; nothing is half-written."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

import hubcheck
from hubcheck import author
from hubcheck.util.errors import UserError
from tests.author.networks import FEATURES, HEIGHT, WIDTH, Net, keras_model, random_images
from tests.author.test_commands import called
from tests.author.test_saved_models import v1_model

IMAGES = random_images()


def save(path, compute, *, shape=(None, HEIGHT, WIDTH, 3), dtype=tf.float32, key="x", signature="serving_default"):
    """Write a TF2 SavedModel with one signature, which computes a dictionary of outputs from a net and images."""
    net = Net()
    net.serve = tf.function(
        lambda images: compute(net, images), input_signature=[tf.TensorSpec(shape, dtype, name=key)]
    )
    tf.saved_model.save(net, str(path), signatures={signature: net.serve})
    return path


def pooled(net, images):
    return tf.reduce_mean(net.normalized(net.convolved(images), False), [1, 2])


def files(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """What `model.export` of Keras 3 writes, with a README, and what one command without options makes of it."""
    folder = tmp_path_factory.mktemp("fix") / "snapshots"  # as in the cache of a model hub
    model = keras_model(keras, softmax=True)
    model.export(str(folder / "m"), verbose=False)
    (folder / "m" / "README.md").write_text("Trained on pets.\n")
    (folder / "m" / "assets").mkdir(exist_ok=True)
    (folder / "m" / "assets" / "breeds.csv").write_text("0,beagle\n")
    (folder.parent / "blobs").mkdir()
    (folder.parent / "blobs" / "1").write_text("MIT\n")
    (folder / "m" / "LICENSE").symlink_to("../../blobs/1")
    before = files(folder / "m")
    code = called("fix", folder / "m")
    return SimpleNamespace(model=model, old=folder / "m", new=folder / "m_fixed", code=code, before=before)


def test_a_keras_export_conforms_after_one_command_without_options(export):
    assert export.code == 0
    report = hubcheck.validate(export.new)
    assert report.exit_code == 0, report.findings
    loaded = tf.saved_model.load(str(export.new))
    logits = loaded.signatures["image_classification"](images=IMAGES)["default"]
    np.testing.assert_allclose(tf.nn.softmax(logits), export.model(IMAGES), rtol=1e-4)
    np.testing.assert_allclose(loaded(IMAGES), logits, rtol=1e-5)


def test_the_result_keeps_other_files_and_documents_the_changes(export):
    assert (export.new / "README.md").read_text() == "Trained on pets.\n"
    assert (export.new / "assets" / "breeds.csv").read_text() == "0,beagle\n"
    assert (export.new / "LICENSE").read_text() == "MIT\n" and not (export.new / "LICENSE").is_symlink()
    assert "softmax of the output 'output_0' was removed" in (export.new / "MODULE.md").read_text()
    assert files(export.old) == export.before


def test_a_module_of_tensorflow_1_is_fixed_by_what_its_graph_tells(tmp_path, capsys):
    v1_model(tmp_path / "old", refs=True)
    assert called("fix", tmp_path / "old", tmp_path / "m") == 0
    printed = capsys.readouterr().out
    assert '"scores" of serving_default is the logits (--logits)' in printed
    assert "pixels in [0, 1] (--pixels)" in printed
    assert "module/task-signature" in printed and "module/reference-variables" in printed
    assert hubcheck.read(tmp_path / "m").format == "tf2-saved-model"


def test_a_dry_run_shows_signatures_and_graph_and_writes_nothing(export, capsys):
    before = files(export.old)
    assert called("fix", export.old, "--diff") == 0
    printed = capsys.readouterr().out
    added, removed = ([line for line in printed.splitlines() if line.startswith(sign)] for sign in "+-")
    assert any("image_classification" in line for line in added) and any("<- images" in line for line in added)
    assert "would fix" in printed and printed.endswith("nothing written (--diff)\n")
    assert any("Softmax" in line for line in removed) and not any("Softmax" in line for line in added)
    assert files(export.old) == before
    assert not list(export.old.parent.glob(".*"))


def test_a_module_is_replaced_in_place_as_a_whole(tmp_path):
    save(tmp_path / "m", lambda net, images: {"default": pooled(net, images)}, signature="image_feature_vector")
    (tmp_path / "m" / "MODULE.md").write_text("# Mine\n")
    assert called("fix", tmp_path / "m", "--in-place") == 0
    assert hubcheck.validate(tmp_path / "m", static=True).exit_code == 0
    assert "# Mine" in (tmp_path / "m" / "MODULE.md").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["m"]
    before = files(tmp_path / "m")
    assert called("fix", tmp_path / "m", "--in-place") == 0
    assert files(tmp_path / "m") == before


def test_what_is_random_is_not_written(tmp_path):
    def noisy(net, images):
        return {"features": pooled(net, images) * tf.random.uniform([])}

    result = author.fix(save(tmp_path / "m", noisy))
    assert result.path is None and re.search("differ by|behaviour/deterministic", result.reason)
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


@pytest.mark.parametrize(
    ("compute", "options", "reason"),
    [
        (
            lambda net, x: {"y": pooled(net, x) @ net.dense},
            {},
            "is features or logits: give features=, logits= or both",
        ),
        (lambda net, x: {"y": net.convolved(x)}, {}, "features at every position: give pool="),
        (lambda net, x: {"y": tf.cast(pooled(net, x), tf.int32)}, {}, "no output of serving_default is a vector"),
        (lambda net, x: {"y": x}, {"dtype": tf.string, "shape": [None]}, "is string [?], not batches of images"),
        (lambda net, x: {"y": x}, {"shape": [None, 3, HEIGHT, WIDTH]}, "channels first (NCHW)"),
        (
            lambda net, x: {"y": tf.reshape(tf.reduce_mean(net.convolved(x), [1, 2], keepdims=True), [4, FEATURES])},
            {"shape": [4, HEIGHT, WIDTH, 3]},
            "whatever the number of images",
        ),
    ],
)
def test_what_cannot_be_fixed_is_told(compute, options, reason, tmp_path):
    result = author.fix(save(tmp_path / "m", compute, **options))
    assert result.path is None and reason in result.reason
    assert "module/task-signature" in [finding.rule for finding in result.remaining]
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_options_say_what_the_graph_does_not(tmp_path):
    def compute(net, images):
        features = net.convolved(images[..., ::-1] / 255 - 0.5)
        return {"a": features, "b": tf.reduce_mean(features, [1, 2]) @ net.dense}

    old = save(tmp_path / "m", compute, shape=[None, None, None, 3])
    options = author.FixOptions(
        features="a", logits="b", pool="max", pixels="caffe", image_size=(HEIGHT, WIDTH), default="image_classification"
    )
    result = author.fix(old, tmp_path / "new", options=options)
    assert result.path == tmp_path / "new", result.reason
    images = 255 * IMAGES[..., ::-1] - np.array([103.939, 116.779, 123.68], "f")
    wanted = tf.saved_model.load(str(old)).signatures["serving_default"](x=images)
    found = tf.saved_model.load(str(tmp_path / "new"))
    np.testing.assert_allclose(found(IMAGES), wanted["b"], rtol=1e-3)
    features = found.signatures["image_feature_vector"](images=IMAGES)["default"]
    np.testing.assert_allclose(features, tf.reduce_max(wanted["a"], [1, 2]), rtol=1e-3)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("m", "n", "--in-place"), "--in-place replaces the module itself: leave the target out"),
        (("missing",), "no such"),
        (("m", "m"), "exists"),
        (("m", "--pixels", "5"), "--pixels must be LOW,HIGH"),
        (("m", "--architecture", "1"), "invalid architecture"),
        (("m", "--constant", "a=[1]"), "must be a number or a boolean"),
    ],
)
def test_wrong_arguments_are_explained_in_one_line(arguments, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save("m", lambda net, images: {"features": pooled(net, images)})
    with pytest.raises(UserError) as caught:
        called("fix", *arguments)
    assert words in str(caught.value).lower() or words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_an_archive_is_fixed_beside_it(tmp_path):
    old = save(tmp_path / "old", lambda net, images: {"pooled": pooled(net, images)})
    shutil.make_archive(str(tmp_path / "m"), "gztar", old)
    assert called("fix", tmp_path / "m.tar.gz") == 0
    assert hubcheck.validate(tmp_path / "m_fixed", static=True).exit_code == 0


def two_tasks(path):
    """Write a module with noise and an update in training, whose outputs have another key and a sigmoid."""
    net = Net()
    spec = tf.TensorSpec([None, HEIGHT, WIDTH, 3], tf.float32, name="images")

    def features(images, training=False):
        return tf.reduce_mean(net.normalized(net.convolved(images), training), [1, 2])

    def call(images, training=False):
        x = features(images, training)
        return x * tf.random.uniform(tf.shape(x), 0.5, 1.5) if training else x

    net.features = tf.function(lambda images: {"features": features(images)}, [spec])
    net.logits = tf.function(lambda images: {"default": tf.nn.sigmoid(features(images) @ net.dense)}, [spec])
    net.__call__ = tf.function(call)
    for training in (False, True):
        net.__call__.get_concrete_function(spec, training=training)
    signatures = {"image_feature_vector": net.features, "image_classification": net.logits}
    tf.saved_model.save(net, str(path), signatures={**signatures, "serving_default": net.features})


def test_both_signatures_share_their_weights_and_train_as_before(tmp_path):
    two_tasks(tmp_path / "m")
    result = author.fix(tmp_path / "m")
    assert result.path is not None, result.reason
    assert "output/default-key" in {finding.rule for finding in result.fixed}
    old, new = (tf.saved_model.load(str(path)) for path in (tmp_path / "m", result.path))
    assert len(new.variables) == 3
    for loaded in (old, new):
        loaded(IMAGES, training=True)
    np.testing.assert_allclose(new(IMAGES), old(IMAGES), rtol=1e-4)
    scores = new.signatures["image_classification"](images=IMAGES)["default"]
    np.testing.assert_allclose(
        tf.sigmoid(scores), old.signatures["image_classification"](images=IMAGES)["default"], rtol=1e-4
    )
