"""Models of other frameworks and of older releases, which come as functions or SavedModels."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tests.exporters.example import Example, example
from tests.paths import ROOT

CLASSES, SIZE = 7, 48
OLD_TENSORFLOW = ROOT / ".venvs" / "tf215" / "bin" / "python"


@example("jax2tf of flax", "jax", "flax")
def flax() -> Example:
    import tensorflow as tf
    from flax import linen as nn
    from jax import numpy as jnp
    from jax import random
    from jax.experimental import jax2tf

    from hubcheck import author

    class Net(nn.Module):  # type: ignore[misc]
        @nn.compact
        def __call__(self, x: Any) -> Any:
            x = nn.gelu(nn.LayerNorm()(nn.Conv(8, (3, 3), strides=2)(x)))
            x = jnp.mean(x, axis=(1, 2))
            return x, nn.Dense(CLASSES)(x)

    net = Net()
    weights = net.init(random.PRNGKey(0), jnp.zeros((1, SIZE, SIZE, 3)))
    root = tf.Module()
    import jax

    root.weights = jax.tree_util.tree_map(tf.Variable, weights)
    converted = tf.autograph.experimental.do_not_convert(
        jax2tf.convert(
            net.apply,
            polymorphic_shapes=(None, f"(b, {SIZE}, {SIZE}, 3)"),
            native_serialization_platforms=("cpu", "cuda"),
        )
    )

    def plain(path: Path) -> None:
        root.call = tf.function(
            lambda inputs: converted(root.weights, inputs),
            autograph=False,
            input_signature=[tf.TensorSpec([None, SIZE, SIZE, 3])],
        )
        tf.saved_model.save(root, str(path))

    def module(path: Path) -> Any:
        module = author.ImageModule("Net", image_size=(SIZE, SIZE))

        @module.feature_vector
        def features(images):
            return tf.ensure_shape(converted(root.weights, images)[0], [None, 8])

        @module.classification(activation="softmax")
        def logits(images):
            return tf.ensure_shape(converted(root.weights, images)[1], [None, CLASSES])

        return module

    return Example(
        (SIZE, SIZE),
        "tf.saved_model.save",
        plain,
        module,
        lambda images: np.array(net.apply(weights, np.array(images))[0]),
        lambda images: np.array(net.apply(weights, np.array(images))[1]),
    )


def onnx(flatten: str) -> Example:
    """A classifier whose pooled features lose their last two dimensions by this operator.

    onnx2tf 1.29 converts Flatten of an open batch to a Reshape to a batch of 1.
    """
    import tempfile

    import onnx2tf
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper, save

    from hubcheck import author

    rng = np.random.default_rng(2)
    arrays = {
        "kernel": rng.normal(size=(8, 3, 3, 3)).astype("f") / 5,
        "bias": rng.normal(size=8).astype("f"),
        "dense": rng.normal(size=(8, CLASSES)).astype("f"),
        "shape": np.array([0, -1]),
    }
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["pixels", "kernel", "bias"], ["conv"], kernel_shape=[3, 3], strides=[2, 2]),
            helper.make_node("Relu", ["conv"], ["relu"]),
            helper.make_node("GlobalAveragePool", ["relu"], ["map"]),
            helper.make_node(flatten, ["map", "shape"] if flatten == "Reshape" else ["map"], ["pooled"]),
            helper.make_node("MatMul", ["pooled", "dense"], ["scores"]),
        ],
        "net",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["n", 3, SIZE, SIZE])],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", width])
            for name, width in (("pooled", 8), ("scores", CLASSES))
        ],
        [numpy_helper.from_array(value, name) for name, value in arrays.items()],
    )
    folder = Path(tempfile.mkdtemp())
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    save(model, str(folder / "net.onnx"))
    session = onnxruntime.InferenceSession(str(folder / "net.onnx"))

    def plain(path: Path) -> None:
        onnx2tf.convert(
            input_onnx_file_path=str(folder / "net.onnx"),
            output_folder_path=str(path),
            output_signaturedefs=True,
            non_verbose=True,
        )

    def module(path: Path) -> Any:
        return author.from_saved_model(path, architecture="Net", features="output_0", logits="output_1", pixels=(0, 1))

    def computed(index: int) -> Any:
        return lambda images: session.run(None, {"pixels": np.moveaxis(np.array(images), 3, 1)})[index]

    return Example((SIZE, SIZE), "onnx2tf.convert", plain, module, computed(0), computed(1))


example("onnx2tf, with Reshape", "onnx2tf", "onnx", environment="onnx")(partial(onnx, "Reshape"))
example("onnx2tf, with Flatten", "onnx2tf", "onnx", environment="onnx")(partial(onnx, "Flatten"))


def old_release(kind: str) -> Any:
    """Write a model by TensorFlow 2.15, which hubcheck does not run on, and return what it computes."""
    import tempfile

    folder = Path(tempfile.mkdtemp())
    command = [str(OLD_TENSORFLOW), str(Path(__file__).with_name("tensorflow_2_15.py")), kind, str(folder)]
    environment = {name: value for name, value in os.environ.items() if name != "TF_USE_LEGACY_KERAS"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        sys.exit(done.stderr)
    values = np.load(folder / "values.npz")
    return folder / "model", values


def of_old_release(kind: str, how: str, module: Any) -> Example:
    import shutil

    path, values = old_release(kind)
    return Example(
        (SIZE, SIZE),
        how,
        lambda target: shutil.copytree(path, target),
        module,
        lambda images: values["features"],
        lambda images: values["logits"],
    )


@example("TensorFlow 2.15 Keras", written_in="tf215")
def keras_of_tensorflow_2_15() -> Example:
    from hubcheck import author

    def module(path: Path) -> Any:
        return author.from_saved_model(
            path, architecture="Net", features="StatefulPartitionedCall/net/pool/Mean", logits="head", pixels=(0, 1)
        )

    return of_old_release("keras", "model.save", module)


@example("tensorflow-hub 0.15 (TensorFlow 2.15)", written_in="tf215")
def tensorflow_hub_0_15() -> Example:
    from hubcheck import author

    def module(path: Path) -> Any:
        return author.from_saved_model(path, architecture="Net", features="features", logits="logits", pixels=(0, 1))

    return of_old_release("hub", "ModuleSpec.export", module)
