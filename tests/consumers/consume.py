"""Use modules by what is installed: `python tests/consumers/consume.py FOLDER KIND:FORMAT MODULE... RESULT.json`.

The folder is one that tests.consumers.modules wrote. This runs in environments without hubcheck, too.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import tempfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if importlib.util.find_spec("tf_keras"):
    # Read when TensorFlow is imported. The Keras of TensorFlow 2.15 is Keras 2 anyway.
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

import numpy as np
import tensorflow as tf

FOLDER, USE, MODULES, RESULT = Path(sys.argv[1]), sys.argv[2], sys.argv[3:-1], Path(sys.argv[-1])
v1 = tf.compat.v1
TENSORFLOW = "tensorflow-cpu" if tf.__version__.startswith("2.15") else "tensorflow"


def hub_load(path: str, images: Any) -> Any:
    import tensorflow_hub

    return tensorflow_hub.load(path)(images)


def layer(path: str, images: Any, *, trainable: bool) -> Any:
    """A tf_keras model of the module and a matrix, and the layer that is the module."""
    import tensorflow_hub

    keras = tf.keras
    made = tensorflow_hub.KerasLayer(path, trainable=trainable)
    return keras.Sequential([keras.Input(images.shape[1:]), made, keras.layers.Dense(2)]), made


def frozen(path: str, images: Any) -> Any:
    return layer(path, images, trainable=False)[1](images)


def fitted(path: str, images: Any) -> Any:
    """Outputs before training; then the model is trained, saved, loaded and compared with itself."""
    model, made = layer(path, images, trainable=True)
    values = made(images).numpy()
    model.compile("sgd", tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    losses = model.fit(images, np.arange(len(images)) % 2, epochs=3, verbose=0).history["loss"]
    assert np.all(np.isfinite(losses)), f"the losses are {losses}"
    with tempfile.TemporaryDirectory() as folder:
        model.save(folder)
        again = tf.keras.models.load_model(folder)
        np.testing.assert_allclose(again(images), model(images), rtol=1e-4, atol=1e-6)
        model.save_weights(f"{folder}/weights.h5")
        model.load_weights(f"{folder}/weights.h5")
    return values


def hub_module(path: str, images: Any) -> Any:
    import tensorflow_hub

    with tf.Graph().as_default(), v1.Session() as session:
        outputs = tensorflow_hub.Module(path)(images)
        session.run([v1.global_variables_initializer(), v1.tables_initializer()])
        return session.run(outputs)


def hubcheck_hub(path: str, images: Any) -> Any:
    from hubcheck import hub

    return hub.Module(path)(images)


def keras3_layer(path: str, images: Any) -> Any:
    import keras

    inner = keras.layers.TFSMLayer(path, call_endpoint="serving_default")
    model = keras.Sequential([keras.Input(images.shape[1:]), inner])
    return model(images)["default"]


def tflite(path: str, images: Any) -> Any:
    content = tf.lite.TFLiteConverter.from_saved_model(path, signature_keys=["serving_default"]).convert()
    run = tf.lite.Interpreter(model_content=content).get_signature_runner("serving_default")
    return run(images=images)["default"]


def onnx(path: str, images: Any) -> Any:
    import onnxruntime
    import tf2onnx

    loaded = tf.saved_model.load(path)
    signature = loaded.signatures["serving_default"]
    spec = tf.TensorSpec([None, *images.shape[1:]], tf.float32, name="images")
    serve = tf.function(lambda images: signature(images=images)["default"], input_signature=[spec])
    model, _ = tf2onnx.convert.from_function(serve, [spec])
    run = onnxruntime.InferenceSession(model.SerializeToString())
    return run.run(None, {run.get_inputs()[0].name: images})[0]


def session(path: str, images: Any) -> Any:
    with tf.Graph().as_default(), v1.Session() as current:
        tags = ["serve"] if not Path(path, "tfhub_module.pb").exists() else []
        signature = v1.saved_model.load(current, tags, path).signature_def
        task = signature["serving_default"] if tags else signature["default"]
        return current.run(task.outputs["default"].name, {task.inputs["images"].name: images})


CONSUMERS: dict[str, tuple[Callable[[str, Any], Any], tuple[str, ...]]] = {
    "hub.load": (hub_load, ("tensorflow-hub",)),
    "hub.KerasLayer, frozen": (frozen, ("tensorflow-hub",)),
    "hub.KerasLayer, trainable: fit, save, load": (fitted, ("tensorflow-hub",)),
    "hub.Module": (hub_module, ("tensorflow-hub",)),
    "hubcheck.hub": (hubcheck_hub, ()),
    "keras.layers.TFSMLayer": (keras3_layer, ("keras",)),
    "TFLite": (tflite, ()),
    "tf2onnx, onnxruntime": (onnx, ("tf2onnx", "onnxruntime")),
    "tf.compat.v1.saved_model.load": (session, ()),
}


def used(kind: str, path: str, images: Any, wanted: Any) -> dict[str, Any]:
    consume, packages = CONSUMERS[kind]
    result: dict[str, Any] = {"packages": {name: metadata.version(name) for name in (*packages, TENSORFLOW)}}
    try:
        values = np.asarray(consume(path, images))
        assert values.shape == wanted.shape, f"the shape is {values.shape}, not {wanted.shape}"
        result["difference"] = float(np.max(np.abs(values - wanted)) / np.max(np.abs(wanted)))
    except Exception as error:
        result["reason"] = f"{type(error).__name__}: {error}"
    return result


kind, _, form = USE.rpartition(":")
found: dict[str, Any] = {}
for name in MODULES:
    images, wanted = np.load(FOLDER / name / "images.npy"), np.load(FOLDER / name / "wanted.npy")
    found[name] = used(kind, str(FOLDER / name / "m" / form), images, wanted)
    # Written each time: a library can crash.
    RESULT.write_text(json.dumps(found), encoding="utf-8")
