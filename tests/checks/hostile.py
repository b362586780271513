"""Modules that would do something beside computing: what they do, and where they hide it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf

from hubcheck.engine.module_report import ModuleReport
from hubcheck.run.validate import validate

Payload = Callable[[], Any]
IMAGES = tf.TensorSpec([None, 4, 4, 3], tf.float32, name="images")


def safety_report(path: Path) -> ModuleReport:
    """What the safety rules say from the files alone."""
    (module,) = validate(path, static=True, select=["safety"]).modules
    assert [o.reason for o in module.outcomes if o.status == "broken"] == []
    return module


def findings_of(path: Path) -> list[str]:
    """ "level rule op function?" of each safety finding."""
    return sorted(
        f"{finding.level} {finding.rule}" + (f" {finding.where.node.op}" if finding.where.node else "")
        for finding in safety_report(path).findings
    )


class Honest(tf.Module):
    """The good parts of every module here: a signature, a variable, a callable."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = tf.Variable(tf.ones([3, 5]), name="kernel")

    @tf.function(input_signature=[IMAGES])
    def features(self, images):
        return {"default": tf.reduce_mean(images, [1, 2]) @ self.kernel}


def save(module: tf.Module, path: Path, signature: Callable[..., Any] | None = None) -> Path:
    """Publish with one signature: the module's own, or another one."""
    wanted = module.features if signature is None else tf.function(signature, input_signature=[IMAGES])
    tf.saved_model.save(module, str(path), signatures={"serving_default": wanted})
    return path


def in_signature(path: Path, payload: Payload) -> Path:
    """The payload feeds the output."""
    module = Honest()

    def signature(images):
        with tf.control_dependencies([tf.group(payload())]):
            return module.features(images)

    return save(module, path, signature)


def under_cond(path: Path, payload: Payload) -> Path:
    """The payload runs for certain images only."""
    module = Honest()

    def run():
        with tf.control_dependencies([tf.group(payload())]):
            return tf.constant(True)

    def signature(images):
        tf.cond(tf.reduce_sum(images) == 12345.0, run, lambda: tf.constant(False))
        return module.features(images)

    return save(module, path, signature)


def in_dataset_map(path: Path, payload: Payload) -> Path:
    """The payload is a step of an input pipeline inside the signature."""
    module = Honest()

    def step(x):
        with tf.control_dependencies([tf.group(payload())]):
            return tf.identity(x)

    def signature(images):
        dataset = tf.data.Dataset.range(1).map(step)
        total = dataset.reduce(tf.constant(0, tf.int64), lambda a, b: a + b)
        return {"default": module.features(images)["default"] + tf.cast(total, tf.float32)}

    return save(module, path, signature)


def in_loop(path: Path, payload: Payload) -> Path:
    """The payload is in the body of a while loop, two calls deep."""
    module = Honest()

    @tf.function
    def inner(i):
        with tf.control_dependencies([tf.group(payload())]):
            return i + 1

    def signature(images):
        count = tf.while_loop(lambda i: i < 3, lambda i: [inner(i)], [tf.constant(0)])[0]
        return {"default": module.features(images)["default"] + tf.cast(count, tf.float32)}

    return save(module, path, signature)


def unreached(path: Path, payload: Payload) -> Path:
    """The payload is a function of the restored object that no signature calls."""
    module = Honest()

    @tf.function(input_signature=[])
    def helper():
        with tf.control_dependencies([tf.group(payload())]):
            return tf.constant(0)

    module.inner = tf.Module()
    module.inner.helper = helper
    return save(module, path)


def in_gradient(path: Path, payload: Payload) -> Path:
    """The payload runs when somebody fine-tunes the module."""
    module = Honest()

    @tf.custom_gradient
    def identity(x):
        def grad(dy):
            with tf.control_dependencies([tf.group(payload())]):
                return tf.identity(dy)

        return tf.identity(x), grad

    def signature(images):
        return module.features(identity(images))

    options = tf.saved_model.SaveOptions(experimental_custom_gradients=True)
    wanted = tf.function(signature, input_signature=[IMAGES])
    tf.saved_model.save(module, str(path), signatures={"serving_default": wanted}, options=options)
    return path


PLACES = {
    place.__name__: place for place in (in_signature, under_cond, in_dataset_map, in_loop, unreached, in_gradient)
}
