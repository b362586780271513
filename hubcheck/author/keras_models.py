"""Modules of Keras models, of Keras 3 and of tf_keras."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from hubcheck.author import keras_cut
from hubcheck.author.arguments import class_names
from hubcheck.author.builder import CLASSES, FEATURES, ImageModule, Outputs
from hubcheck.author.errors import AuthorError, AuthorWarning
from hubcheck.author.pixels import Pixels, check_input, described, scaler, settle_size


def from_keras(
    model: Any,
    *,
    architecture: str,
    pixels: Pixels,
    features: str | None = None,
    logits: str | None = None,
    hidden: Sequence[str] | Mapping[str, str] = (),
    image_size: tuple[int, int] | None = None,
    classes: str | os.PathLike[str] | Sequence[str] | None = None,
    activation: str | None = None,
    grayscale: bool = False,
    description: str = "",
) -> ImageModule:
    """A module of a Keras model, cut at named layers.

    The model may be functional, sequential or subclassed, of Keras 3 or tf_keras; layers of nested models are
    found by name, and the model's own name stands for its output. A softmax or sigmoid that ends the logits is
    left out, and a warning says so.

    Args:
        model: the model; it stays as it is.
        architecture: the network's name, which prefixes the keys of hidden outputs.
        pixels: (low, high), the range of pixel values that the model expects, or a function from images in
            [0, 1] to the model's input, such as `lambda images: preprocess_input(images * 255)`.
        features: the layer whose output are the feature vectors, [batch, n] or [batch, 1, 1, n].
        logits: the layer whose output are the logits.
        hidden: layers whose outputs are given too: names, or {key: name}.
        image_size: height and width in pixels, where the model does not fix them.
        classes: the names of the classes, or a file of one a line.
        activation: how the logits may be used, such as "softmax"; what was left out of the model by default.
        grayscale: the model takes one channel: convert RGB to gray in the module.
        description: a sentence or more, for the module's documentation.

    Returns:
        An ImageModule, ready for `export`.

    Raises:
        AuthorError: the model cannot be made a module so; names the layer, argument or rule.
    """
    _check_model(model)
    scale, names = scaler(pixels), class_names(classes)
    if features is None and logits is None:
        last = ", ".join(repr(name) for name in list(keras_cut.layers_of(model))[-5:])
        raise AuthorError(
            "say which layer gives the features (features=) or the logits (logits=), or both; "
            f"the last layers are {last}",
            "module/task-signature",
        )
    shape = _input_shape(model)
    name = f"the model {model.name!r}"
    check_input(shape, name, grayscale=grayscale)
    module = ImageModule(architecture, settle_size(shape, image_size, name), description=description)
    taps: dict[str, dict[str, keras_cut.Tap]] = {}
    if features is not None:
        taps[FEATURES] = {"": keras_cut.features_tap(model, features)}
    if logits is not None:
        tap, removed = keras_cut.logits_tap(model, logits)
        taps[CLASSES] = {"": tap}
        if removed:
            said = f"The {removed} of the layer {tap.layer.name!r} was left out: the module gives logits."
            warnings.warn(said, AuthorWarning, stacklevel=2)
            module.note(said)
            activation = activation or removed
    named = hidden if isinstance(hidden, Mapping) else {layer: layer for layer in hidden}
    for key, layer in named.items():
        for signature in taps.values():
            signature[key] = keras_cut.Tap(keras_cut.find(model, layer, "a hidden output"))
    if said := described(pixels):
        module.note(said)
    if grayscale:
        module.note("Images are converted to gray by `tf.image.rgb_to_grayscale` (ITU-R 601 luma) for the network.")

    def compute(images: Any, training: bool) -> dict[str, Outputs]:
        return _compute(model, _prepared(images, scale, grayscale), training, taps)

    labels = {FEATURES: f"the layer {features!r}", CLASSES: f"the layer {logits!r}"}
    module.adopt(compute, {name: labels[name] for name in taps}, classes=names or None, activation=activation)
    module.sources.append(model)
    return module


def _compute(
    model: Any, images: Any, training: bool, taps: Mapping[str, Mapping[str, keras_cut.Tap]]
) -> dict[str, Outputs]:
    import tensorflow as tf

    flat = {f"{signature} {key}": tap for signature, keys in taps.items() for key, tap in keys.items()}
    records = keras_cut.run(model, images, training, flat)
    found = {}
    for signature, keys in taps.items():
        values = {key: records[f"{signature} {key}"] for key in keys}
        default = squeezed(values.pop(""))
        if tf.is_tensor(default) and default.dtype in (tf.float16, tf.bfloat16):
            default = tf.cast(default, tf.float32)
        found[signature] = Outputs(default, values)
    return found


def squeezed(value: Any) -> Any:
    """[batch, 1, 1, n] as [batch, n]; anything else as it is."""
    shape = getattr(value, "shape", None)
    if shape is not None and len(shape) == 4 and tuple(shape[1:3]) == (1, 1):
        import tensorflow as tf

        return tf.squeeze(value, axis=[1, 2])
    return value


def _prepared(images: Any, scale: Any, grayscale: bool) -> Any:
    import tensorflow as tf

    return scale(tf.image.rgb_to_grayscale(images) if grayscale else images)


def _check_model(model: Any) -> None:
    if not (callable(model) and hasattr(model, "layers") and hasattr(model, "_flatten_layers")):
        raise AuthorError(f"from_keras takes a model of Keras 3 or tf_keras, not {type(model).__name__}")
    if type(model).__module__.startswith("keras."):
        import keras

        if keras.config.backend() != "tensorflow":
            raise AuthorError(
                f"the model runs on Keras's {keras.config.backend()} backend: set KERAS_BACKEND=tensorflow, "
                "and load it again"
            )


def _input_shape(model: Any) -> tuple[int | None, ...] | None:
    """The model's input shape; None where it tells none."""
    try:
        shape = model.input_shape
    except (AttributeError, ValueError):
        return None
    if isinstance(shape, dict):
        shape = list(shape.values())
    if isinstance(shape, list):
        if len(shape) != 1:
            raise AuthorError(
                f"the model {model.name!r} takes {len(shape)} inputs: a common signature takes the images alone",
                "image-input/sole",
            )
        (shape,) = shape
    return tuple(shape) if isinstance(shape, tuple) else None
