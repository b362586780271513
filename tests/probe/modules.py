"""Small modules for tests that run them: a function of images, exported in TF1 Hub format or as a TF2 SavedModel."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

HEIGHT, WIDTH, FEATURES = 16, 12, 6

Function = Callable[[Any, Any], Any]
"""Maps images and a kernel [3, 3, 3, FEATURES] to features."""


def tensorflow() -> Any:
    """Import TensorFlow with few log messages and without GPUs."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    import tensorflow as tf

    return tf


def convolved(images: Any, kernel: Any) -> Any:
    """Return [batch, 8, 6, FEATURES], the first layer of most test networks."""
    tf = tensorflow()
    return tf.nn.conv2d(images, kernel, strides=2, padding="SAME")


def pooled(images: Any, kernel: Any) -> Any:
    """Return [batch, FEATURES] from a network without faults."""
    tf = tensorflow()
    return tf.reduce_mean(tf.nn.elu(convolved(images, kernel)), axis=[1, 2])


def tf1_module(
    path: Path,
    inference: Function = pooled,
    training: Function | None = None,
    *,
    signature: str = "image_feature_vector",
    default: Function | None = None,
    images_shape: tuple[int | None, ...] = (None, HEIGHT, WIDTH, 3),
) -> Path:
    """Write a module in TF1 Hub format. `default` is another function for the default signature."""
    tf = tensorflow()
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    v1 = tf.compat.v1
    (path / "variables").mkdir(parents=True)
    proto = SavedModel()
    for tags, function in (((), inference), (("train",), training)):
        if function is None:
            continue
        with tf.Graph().as_default(), v1.Session() as session:
            images = v1.placeholder(tf.float32, images_shape, name="images")
            start = tf.random.stateless_normal([3, 3, 3, FEATURES], seed=[1, 2])
            kernel = v1.get_variable("kernel", initializer=start)
            named = function(images, kernel)
            results = {signature: named, "default": default(images, kernel) if default else named}
            meta_graph = v1.train.export_meta_graph()
            for name, result in results.items():
                made = v1.saved_model.predict_signature_def({"images": images}, {"default": result})
                made.method_name = ""
                meta_graph.signature_def[name].CopyFrom(made)
            meta_graph.meta_info_def.tags.extend(tags)
            meta_graph.ClearField("saver_def")
            proto.meta_graphs.add().CopyFrom(meta_graph)
            session.run(v1.global_variables_initializer())
            if not tags:
                saver = v1.train.Saver()
                saver.save(session, str(path / "variables" / "variables"), write_meta_graph=False, write_state=False)
    (path / "saved_model.pb").write_bytes(proto.SerializeToString())
    (path / "tfhub_module.pb").write_bytes(b"\x08\x03")
    return path


def tf2_module(
    path: Path,
    call: Callable[..., Any] | None = None,
    *,
    signature: Callable[..., Any] | None = None,
    default: Callable[..., Any] | None = None,
    losses: tuple[Callable[[], Any], ...] = (),
    name: str = "image_feature_vector",
    images_shape: tuple[int | None, ...] = (None, HEIGHT, WIDTH, 3),
) -> Path:
    """Write a reusable SavedModel whose callable is `call(images, kernel, training)`, by default its signatures too."""
    tf = tensorflow()
    kernel = tf.Variable(tf.random.stateless_normal([3, 3, 3, FEATURES], seed=[1, 2]), name="kernel")
    call = call or (lambda images, kernel, training: pooled(images, kernel))
    spec = tf.TensorSpec(images_shape, tf.float32, name="images")

    @tf.function(autograph=False)
    def called(images: Any, training: bool = False) -> Any:
        return call(images, kernel, training)

    for training in (False, True):
        called.get_concrete_function(spec, training=training)

    def exported(function: Callable[..., Any] | None) -> Any:
        made = function or (lambda images, kernel: call(images, kernel, False))
        return tf.function(lambda images: {"default": made(images, kernel)}, input_signature=[spec], autograph=False)

    module = tf.train.Checkpoint()
    module.__call__ = called
    module.variables = module.trainable_variables = [kernel]
    module.regularization_losses = [tf.function(loss, input_signature=[], autograph=False) for loss in losses]
    signatures = {"serving_default": exported(default or signature), name: exported(signature)}
    tf.saved_model.save(module, str(path), signatures=signatures)
    return path
