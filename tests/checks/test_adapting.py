"""module/task-signature ends with the `hubcheck adapt` command for the module, and the command works when pasted."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tarfile
from pathlib import Path

import keras
import pytest
import tensorflow as tf

import hubcheck
from hubcheck.cli.group import cli

v1 = tf.compat.v1
HEIGHT, WIDTH, FEATURES, CLASSES = 24, 32, 8, 4
ODD = 'it\'s 100% "odd" $HOME'


class Net(tf.Module):
    def __init__(self, channels=3):
        super().__init__()
        self.kernel = tf.Variable(tf.random.stateless_normal([3, 3, channels, FEATURES], seed=[1, 2]), name="kernel")
        self.head = tf.Variable(tf.random.stateless_normal([FEATURES, CLASSES], seed=[3, 4]), name="head")

    def pooled(self, images):
        x = tf.nn.conv2d(tf.cast(images, tf.float32), self.kernel, strides=2, padding="SAME")
        return tf.reduce_mean(tf.nn.elu(x), axis=[1, 2])


def save(path, compute, *, signature="serving_default", dtype=tf.float32, shape=(None, HEIGHT, WIDTH, 3), key="x"):
    """Write a TF2 SavedModel with one signature, which computes a dictionary of outputs from a net and images."""
    net = Net(shape[-1] or 3)
    net.serve = tf.function(
        lambda images: compute(net, images), input_signature=[tf.TensorSpec(shape, dtype, name=key)]
    )
    names = (signature,) if isinstance(signature, str) else signature
    tf.saved_model.save(net, str(path), signatures=dict.fromkeys(names, net.serve))


def keras_classifier(path):
    inputs = keras.Input([None, None, 3])
    x = keras.layers.Rescaling(1 / 255)(inputs)
    x = keras.layers.Conv2D(FEATURES, 3, strides=2, activation="elu")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    keras.Model(inputs, keras.layers.Dense(CLASSES, activation="softmax")(x)).export(str(path), verbose=False)


def session_model(path, *, hub=False, key="in", output="-scores"):
    """Write a TF1 SavedModel, or a module in TF1 Hub format, with a session."""
    with tf.Graph().as_default(), v1.Session() as session:
        images = v1.placeholder(tf.float32, [None, HEIGHT, WIDTH, 3])
        kernel = v1.get_variable("kernel", initializer=tf.random.stateless_normal([3, CLASSES], seed=[1, 2]))
        scores = tf.matmul(tf.reduce_mean(images, [1, 2]), kernel)
        session.run(v1.global_variables_initializer())
        signature = v1.saved_model.predict_signature_def({key: images}, {output: scores})
        builder = v1.saved_model.Builder(str(path))
        name = "default" if hub else "serving_default"
        builder.add_meta_graph_and_variables(session, [] if hub else ["serve"], {name: signature})
        builder.save()
    if hub:
        Path(path, "tfhub_module.pb").write_bytes(b"\x08\x03")


def packed(path):
    folder = path.with_name("unpacked")
    save(folder, lambda net, images: {"y": net.pooled(images)})
    with tarfile.open(path, "w:gz") as archive:
        for entry in folder.iterdir():
            archive.add(entry, entry.name)


def two_outputs(net, images):
    x = net.pooled(images)
    return {"a": tf.matmul(x, net.head), "b": tf.matmul(x, tf.reverse(net.head, [1]))}


def all_outputs(net, images):
    logits = tf.matmul(net.pooled(images), net.head)
    return {"probs": tf.nn.softmax(logits), "logits": logits, "vector": net.pooled(images)}


MODULES = {
    "keras export": (keras_classifier, "--logits output_0 --pixels 0,255 --image-size 224,224", ["--image-size"]),
    "odd names": (
        lambda path: save(path, lambda net, images: {ODD: tf.matmul(net.pooled(images), net.head)}, key="input"),
        f"--input input --features {shlex.quote(ODD)} --pixels 0,1",
        ["--logits instead of --features", "--pixels"],
    ),
    "TF1 SavedModel": (
        lambda path: session_model(path, key="my images; ls"),
        "--input 'my images; ls' --logits=-scores --pixels 0,1",
        ["--pixels"],
    ),
    "TF1 Hub format": (
        lambda path: session_model(path, hub=True, key="-images", output="default"),
        "--input=-images --features default",
        ["--logits instead of --features", "--pixels"],
    ),
    "three outputs, bytes": (
        lambda path: save(path, all_outputs, dtype=tf.uint8),
        "--features vector --logits logits --default image_feature_vector --pixels 0,255",
        [],
    ),
    "two outputs that the graph does not tell apart": (
        lambda path: save(path, two_outputs),
        "--features a --pixels 0,1",
        ['--features, --logits or both among "a", "b"', "--pixels"],
    ),
    "gray": (
        lambda path: save(path, lambda net, images: {"y": net.pooled(images)}, shape=(None, HEIGHT, None, 1)),
        "--features y --pixels 0,1 --image-size 24,224 --grayscale",
        ["--pixels", "--image-size"],
    ),
    "two signatures, neither of them the default": (
        lambda path: save(
            path, lambda net, images: {"y": net.pooled(images * 2 - 1)}, signature=("predict it", "other")
        ),
        "--signature other --input x --features y --pixels 0,1",
        [],
    ),
    "m.tar.gz": (packed, "--features y", ["--pixels"]),
    "-dash": (lambda path: save(path, lambda net, images: {"y": net.pooled(images)}), "--features y", ["--pixels"]),
}


def finding(path):
    (module,) = hubcheck.validate([path], static=True).modules
    (found,) = (finding for finding in module.findings if finding.rule == "module/task-signature")
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", MODULES)
def test_the_command_works_when_pasted(name, tmp_path, monkeypatch):
    write, options, unsure = MODULES[name]
    monkeypatch.chdir(tmp_path)
    write(tmp_path / name)
    found = finding(Path(name))
    assert options in found.command
    assert all(text in found.fix for text in unsure), found.fix
    assert [word in found.fix for word in ("--pixels", "--image-size")] == [
        any(word in text for text in unsure) for word in ("--pixels", "--image-size")
    ]
    program, *arguments = shlex.split(found.command)
    assert program == "hubcheck"
    # What the first five modules lead to is run as well.
    static = [] if name in list(MODULES)[:5] else ["--static"]
    assert cli.main([*arguments, *static], standalone_mode=False) == 0
    (target,) = tmp_path.glob("*_adapted")
    assert hubcheck.validate([target], static=True).exit_code == 0


@pytest.mark.slow
def test_a_shell_runs_the_command_that_the_report_prints(tmp_path):
    session_model(tmp_path / "it's old", key="my images; ls")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    run = {"cwd": tmp_path, "env": environment, "capture_output": True, "text": True}
    report = subprocess.run(["hubcheck", "validate", "--static", "it's old"], check=False, **run).stdout
    (line,) = (line for line in report.splitlines() if "hubcheck adapt '" in line)
    done = subprocess.run(["bash", "-c", f"{line[line.index('hubcheck adapt') :]} --static"], check=False, **run)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "it's old_adapted" / "saved_model.pb").exists()


@pytest.mark.parametrize(
    ("compute", "options", "obstacle"),
    [
        (lambda net, images: {"y": images}, {}, "no output of the signature serving_default is a vector"),
        (lambda net, images: {"y": images}, {"shape": [None, 24]}, "float32 [?, 24], not batches of images"),
        (lambda net, images: {"y": images}, {"shape": [None, 3, 24, 32]}, "[?, 3, 24, 32], not batches of images"),
        (lambda net, images: {"y": images}, {"dtype": tf.string, "shape": [None]}, "is string [?], not"),
        (lambda net, images: {"y": net.pooled(images)}, {"shape": [4, 24, 32, 3]}, "[4, 24, 32, 3], not batches"),
    ],
)
def test_there_is_a_reason_instead_of_a_command_that_cannot_work(compute, options, obstacle, tmp_path):
    save(tmp_path / "m", compute, **{"shape": (None, HEIGHT, WIDTH, 3), **options})
    found = finding(tmp_path / "m")
    assert found.command == ""
    assert f"`hubcheck adapt` cannot make a conforming module of it: {'' if 'no ' in obstacle else 'the input'}" in (
        found.fix
    )
    assert obstacle in found.fix
