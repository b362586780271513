"""Compute a module's tasks by an existing network that is cut at some of its layers or tensors."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from hubcheck.author.builder import ImageModule
from hubcheck.author.definition import CLASSES, FEATURES, Outputs
from hubcheck.author.errors import AuthorWarning
from hubcheck.author.sources.image_input import ImageInput

OutputKey = tuple[str, str]
"""The signature and the key of an output; the key of the default output is empty."""


class Network(Protocol):
    """A Keras model, or a signature of a SavedModel; `kind` is what messages call its outputs.

    `features`, `logits` and `hidden` raise AuthorError if there is no output of that name that can be used.
    """

    kind: str

    def features(self, name: str) -> Any:
        """Return the output that is the feature vectors."""

    def logits(self, name: str) -> tuple[Any, str | None]:
        """Return the output that is the logits, and the name of the activation that was removed from its end."""

    def hidden(self, name: str) -> Any:
        """Return the output that is a hidden one."""

    def run(self, images: Any, training: bool, outputs: Mapping[OutputKey, Any]) -> Mapping[OutputKey, Any]:
        """Return the values of outputs for images as the network takes them."""

    def to_float32(self, value: Any) -> Any:
        """Return the value of a default output as float32, if the network computes it in another float type."""


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
        wanted = {(task, key): output for task, keys in outputs.items() for key, output in keys.items()}
        values = network.run(image_input.convert(images), training, wanted)
        results = {}
        for task, keys in outputs.items():
            by_key = {key: values[task, key] for key in keys}
            results[task] = Outputs(network.to_float32(_squeezed(by_key.pop(""))), by_key)
        return results

    module.set_joint_function(compute, labels, classes=classes, activation=activation)
    module.models.append(network)


def _squeezed(value: Any) -> Any:
    """Return [batch, 1, 1, n] as [batch, n]; anything else unchanged."""
    shape = getattr(value, "shape", None)
    if shape is not None and len(shape) == 4 and tuple(shape[1:3]) == (1, 1):
        import tensorflow as tf

        return tf.squeeze(value, axis=[1, 2])
    return value
