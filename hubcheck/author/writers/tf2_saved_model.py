"""Write a reusable TF2 SavedModel: a callable object, its variables and losses, and the signatures."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf import fingerprint_pb2

from hubcheck.author.writers.captures import (
    captured_variables,
    regularizers,
    resources,
    unique_names,
    variables_of,
)
from hubcheck.author.writers.tracing import TracedModule


class _Reusable(tf.Module):  # type: ignore[misc]
    # tf.Module has properties of these names, which are not saved: the lists replace them.
    variables: Any = None
    trainable_variables: Any = None

    def __init__(self, module: TracedModule) -> None:
        super().__init__()
        inference, train = module.traces[False], module.traces[True]
        # Only the variables are tracked, not Keras objects: those would store weights twice and cannot be restored
        # by the session loader.
        self.variables = captured_variables(inference, train)
        if tables := resources(module.definition, inference, train):
            self.resources = tables
        defaults = [train.structured_outputs[task]["default"] for task in module.definition.tasks]
        self.trainable_variables = [variable for variable in variables_of(train, defaults) if variable.trainable]
        self.regularization_losses = [
            tf.function(loss, input_signature=[]) for loss in regularizers(module.definition, self.trainable_variables)
        ]
        # The primary task's callable is that of the object; each task's has the name of its signature.
        for task in module.definition.tasks:
            setattr(self, task, module.callable(task))
        self.__call__ = getattr(self, module.default)


def write(module: TracedModule, folder: Path) -> None:
    """Write the module into an empty folder."""
    root = _Reusable(module)
    labels = module.write_labels(folder) if module.definition.classes else None
    if labels:
        root.labels = tf.saved_model.Asset(str(labels))
    signatures = {name: module.signature(name) for name in module.definition.tasks}
    signatures["serving_default"] = signatures[module.default]
    with _named(unique_names(module.definition, root.variables)):
        tf.saved_model.save(root, str(folder), signatures=signatures)
    if labels:
        labels.unlink()
    _make_fingerprint_reproducible(folder / "fingerprint.pb")


@contextmanager
def _named(variables: Mapping[str, tf.Variable]) -> Iterator[None]:
    """Give variables other names temporarily: eager ones cannot be renamed, and loaders take the names they had."""
    old = {name: variable._handle_name for name, variable in variables.items() if hasattr(variable, "_handle_name")}
    try:
        for name in old:
            variables[name]._handle_name = f"{name}:0"
        yield
    finally:
        for name, own in old.items():
            variables[name]._handle_name = own


def _make_fingerprint_reproducible(file: Path) -> None:
    """Replace the random id of a fingerprint by one that depends on the module alone.

    TensorFlow 2.16 writes no id. Whether there is one is read from the message and not from a version number: nightly
    and vendor builds number themselves as they like.
    """
    if not file.exists():
        return
    fingerprint = fingerprint_pb2.FingerprintDef.FromString(file.read_bytes())
    if "uuid" in fingerprint.DESCRIPTOR.fields_by_name:
        fingerprint.uuid = ""
        content = fingerprint.SerializeToString(deterministic=True).hex()
        fingerprint.uuid = str(uuid.uuid5(uuid.NAMESPACE_OID, content))
    file.write_bytes(fingerprint.SerializeToString(deterministic=True))
