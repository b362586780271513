"""Compute a module's tasks by an existing network that is cut at some of its layers or tensors."""

from __future__ import annotations

import os
import warnings
from collections.abc import Container, Mapping, Sequence
from typing import Any, Protocol

from hubcheck.author.builder import ImageModule
from hubcheck.author.definition import CLASSES, FEATURES, Outputs
from hubcheck.author.errors import AuthorWarning
from hubcheck.author.sources.image_input import ImageInput

OutputKey = tuple[str, str]
"""The signature and the key of an output; the key of the default output is empty."""


class Network(Protocol):
    """A Keras model, or a signature of a SavedModel; the methods raise AuthorError if an output cannot be used.

    `kind` is what messages call its outputs; a default output is cast to float32 if its dtype is one of `cast`.
    """

    kind: str
    cast: Container[str]

    def features(self, name: str) -> Any:
        """Return the output that is the feature vectors."""

    def logits(self, name: str) -> tuple[Any, str | None]:
        """Return the output that is the logits, and the name of the activation that was removed from its end."""

    def hidden(self, name: str) -> Any:
        """Return the output that is a hidden one."""

    def run(self, images: Any, training: bool, outputs: Mapping[OutputKey, Any]) -> Mapping[OutputKey, Any]:
        """Return the values of outputs for images as the network takes them."""


def add_tasks(
    module: ImageModule,
    network: Network,
    image_input: ImageInput,
    *,
    features: str | None,
    logits: str | None,
    hidden: Sequence[str] | Mapping[str, str],
    classes: str | os.PathLike[str] | Sequence[str] | None,
    activation: str | None,
) -> None:
    """Let the network compute the tasks of a module, and note what was changed for that."""
    outputs: dict[str, dict[str, Any]] = {}
    labels: dict[str, str] = {}
    if features is not None:
        outputs[FEATURES] = {"": network.features(features)}
        labels[FEATURES] = f"the {network.kind} {features!r}"
    if logits is not None:
        output, removed = network.logits(logits)
        outputs[CLASSES] = {"": output}
        labels[CLASSES] = f"the {network.kind} {logits!r}"
        if removed:
            activation = activation or removed
            message = f"The {removed} of {labels[CLASSES]} was removed: the module outputs logits."
            warnings.warn(message, AuthorWarning, stacklevel=3)
            module.note(message)
    named = hidden if isinstance(hidden, Mapping) else {name: name for name in hidden}
    for key, name in named.items():
        for keys in outputs.values():
            keys[key] = network.hidden(name)
    module.notes += image_input.notes()

    def compute(images: Any, training: bool) -> dict[str, Outputs]:
        import tensorflow as tf

        wanted = {(task, key): output for task, keys in outputs.items() for key, output in keys.items()}
        values = network.run(image_input.convert(images), training, wanted)
        results = {}
        for task, keys in outputs.items():
            by_key = {key: values[task, key] for key in keys}
            default = by_key.pop("")
            if tf.is_tensor(default):
                if default.shape.rank == 4 and default.shape[1:3] == (1, 1):
                    default = tf.squeeze(default, axis=[1, 2])
                if default.dtype.name in network.cast:
                    default = tf.cast(default, tf.float32)
            results[task] = Outputs(default, by_key)
        return results

    module.set_joint_function(compute, labels, classes=classes, activation=activation)
    module.models.append(network)
