"""A reusable SavedModel of TensorFlow 2: a callable object, its variables, and the signatures."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf
from tensorflow.core.protobuf import fingerprint_pb2

from hubcheck.author.builder import CLASSES
from hubcheck.author.releases import settle_fingerprint
from hubcheck.author.state import captured_variables, regularizers, resources, variables_of
from hubcheck.author.tracing import Program

LABELS = "labels.txt"
DEFAULT_SIGNATURE = "serving_default"


class _Reusable(tf.Module):  # type: ignore[misc]
    # tf.Module has properties of these names, which saving leaves out: lists take their place.
    variables = trainable_variables = None

    def __init__(self, program: Program) -> None:
        super().__init__()
        inference, train = program.trace(False), program.trace(True)
        # Only the variables are tracked, never Keras objects: those would store weights twice and fail to
        # restore in the session loader.
        self.variables = captured_variables(inference, train)
        if tables := resources(program.module, inference, train):
            self.resources = tables
        used = variables_of(train, train.structured_outputs[program.default]["default"])
        self.trainable_variables = [variable for variable in used if variable.trainable]
        self.regularization_losses = [
            tf.function(loss, input_signature=[]) for loss in regularizers(program.module, self.trainable_variables)
        ]
        self.__call__ = program.callable()


def write(program: Program, folder: Path) -> None:
    """Write the module into the folder, which exists and is empty."""
    root = _Reusable(program)
    if labels := _labels(program, folder):
        root.labels = tf.saved_model.Asset(str(labels))
    signatures = {name: program.signature(name) for name in program.module.tasks}
    signatures[DEFAULT_SIGNATURE] = program.signature(program.default)
    tf.saved_model.save(root, str(folder), signatures=signatures)
    if labels:
        labels.unlink()
    _settle_fingerprint(folder / "fingerprint.pb")


def _labels(program: Program, folder: Path) -> Path | None:
    task = program.module.tasks.get(CLASSES)
    if task is None or not task.classes:
        return None
    file = folder / LABELS
    file.write_text("\n".join(task.classes) + "\n", encoding="utf-8")
    return file


def _settle_fingerprint(file: Path) -> None:
    if file.exists():
        fingerprint = fingerprint_pb2.FingerprintDef.FromString(file.read_bytes())
        settle_fingerprint(fingerprint)
        file.write_bytes(fingerprint.SerializeToString(deterministic=True))
