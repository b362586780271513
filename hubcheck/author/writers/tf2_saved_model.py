"""Write a reusable TF2 SavedModel: a callable object, its variables and losses, and the signatures."""

from __future__ import annotations

import uuid
from pathlib import Path

import tensorflow as tf
from tensorflow.core.protobuf import fingerprint_pb2

from hubcheck.author.writers.captures import captured_variables, regularizers, resources, variables_of
from hubcheck.author.writers.tracing import TracedModule


class _Reusable(tf.Module):  # type: ignore[misc]
    # tf.Module has properties of these names, which are not saved: the lists replace them.
    variables = trainable_variables = None

    def __init__(self, module: TracedModule) -> None:
        super().__init__()
        inference, train = module.traces[False], module.traces[True]
        # Only the variables are tracked, not Keras objects: those would store weights twice and cannot be restored
        # by the session loader.
        self.variables = captured_variables(inference, train)
        if tables := resources(module.definition, inference, train):
            self.resources = tables
        used = variables_of(train, train.structured_outputs[module.default]["default"])
        self.trainable_variables = [variable for variable in used if variable.trainable]
        self.regularization_losses = [
            tf.function(loss, input_signature=[]) for loss in regularizers(module.definition, self.trainable_variables)
        ]
        self.__call__ = module.callable()


def write(module: TracedModule, folder: Path) -> None:
    """Write the module into an empty folder."""
    root = _Reusable(module)
    labels = module.write_labels(folder) if module.definition.classes else None
    if labels:
        root.labels = tf.saved_model.Asset(str(labels))
    signatures = {name: module.signature(name) for name in module.definition.tasks}
    signatures["serving_default"] = signatures[module.default]
    tf.saved_model.save(root, str(folder), signatures=signatures)
    if labels:
        labels.unlink()
    _make_fingerprint_reproducible(folder / "fingerprint.pb")


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
