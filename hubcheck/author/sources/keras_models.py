"""from_keras: modules made of Keras models, of Keras 3 or tf_keras."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hubcheck.author.builder import ImageModule
from hubcheck.author.definition import read_classes
from hubcheck.author.errors import AuthorError
from hubcheck.author.sources.cut_network import Cut, Dims, ImageInput, add_tasks
from hubcheck.author.sources.keras_layers import KerasNetwork
from hubcheck.author.sources.pixels import PixelsArgument, as_pixels
from hubcheck.module.tensors import Shape


def from_keras(
    model: Any,
    *,
    architecture: str,
    pixels: PixelsArgument,
    features: str | None = None,
    logits: str | None = None,
    input: str | None = None,
    constants: Mapping[str, Any] | None = None,
    hidden: Sequence[str] | Mapping[str, str] = (),
    image_size: tuple[int, int] | None = None,
    classes: str | os.PathLike[str] | Sequence[str] | None = None,
    activation: str | None = None,
    grayscale: bool = False,
    description: str = "",
) -> ImageModule:
    """Make a module of a Keras model, cut at named layers.

    The model may be functional, sequential or subclassed, of Keras 3 or tf_keras. Layers of nested models are found
    by name; the model's own name stands for its output. A softmax or sigmoid at the end of the logits is removed,
    with a warning.

    Args:
        model: the model; it is not changed.
        architecture: the network's name, the prefix of the keys of hidden outputs.
        pixels: (low, high), the range of pixel values that the model expects; the name of a mode of Keras's
            preprocess_input, "tf", "caffe" or "torch"; Pixels, with mean, std and the order of channels; or a function
            from images in [0, 1] to the model's input, such as `lambda images: preprocess_input(images * 255)`.
        features: the layer whose output is the feature vectors, [batch, n] or [batch, 1, 1, n]; or an operation of the
            model, such as "get_item" for `x[:, 0]`; or an input of either, such as "dropout.input". Of layers with the
            same name, the path of one, such as "backbone/pool".
        logits: the layer whose output is the logits, likewise.
        input: the input that takes the images, by default the only one.
        constants: the values of the other inputs by name; an input gets its value for each image.
        hidden: layers whose outputs are hidden outputs: names, patterns such as "block_*_expand", or {key: name}.
        image_size: height and width in pixels, where the model does not fix them.
        classes: the names of the classes, or a text file with one per line.
        activation: how consumers may use the logits, such as "softmax"; by default the activation that was removed.
        grayscale: the model takes one channel: convert RGB to gray in the module.
        description: one or more sentences for the module's documentation.

    Returns:
        An ImageModule, ready for `export`.

    Raises:
        AuthorError: no module can be made of the model; names the layer, argument or rule.
    """
    _check_model(model)
    image_input = ImageInput(as_pixels(pixels), grayscale)
    cut = Cut(features, logits, hidden, read_classes(classes), activation)
    network = KerasNetwork(model)
    if features is None and logits is None:
        last = ", ".join(repr(name) for name in network.names()[-5:])
        raise AuthorError(
            "choose the layer of the features (features=), of the logits (logits=), or both; "
            f"the last layers are {last}",
            "module/task-signature",
        )
    name = f"the model {model.name!r}"
    if len(tensors := getattr(model, "inputs", None) or ()) > 1 or input or constants:
        network.inputs, dims = _with_constants(tensors, input, dict(constants or {}), name)
    else:
        dims = _input_dims(model)
    module = image_input.new_module(architecture, dims, name, image_size=image_size, description=description)
    add_tasks(module, network, image_input, cut)
    return module


def _check_model(model: Any) -> None:
    if not (callable(model) and hasattr(model, "layers") and hasattr(model, "_flatten_layers")):
        raise AuthorError(f"from_keras takes a model of Keras 3 or tf_keras, not {type(model).__name__}")
    if type(model).__module__.startswith("keras."):
        import keras

        if keras.config.backend() != "tensorflow":
            raise AuthorError(
                f"the model runs on Keras's {keras.config.backend()} backend: set KERAS_BACKEND=tensorflow and load "
                "it again"
            )


def _input_dims(model: Any) -> Dims:
    """Return the shape of the model's input; None if it is unknown."""
    try:
        shape = model.input_shape
    except (AttributeError, ValueError):
        return None
    if isinstance(shape, dict):
        shape = list(shape.values())
    if isinstance(shape, list) and len(shape) == 1:
        (shape,) = shape
    return tuple(shape) if isinstance(shape, tuple) else None


def _with_constants(
    tensors: Sequence[Any], name: str | None, constants: Mapping[str, Any], owner: str
) -> tuple[Callable[[Any], list[Any]], Dims]:
    """Return the function from images to all inputs of a model with several, and the shape of that for the images."""
    import tensorflow as tf

    from hubcheck.author.sources.constant_inputs import ConstantInput, image_key

    by_name = {tensor.name.partition(":")[0]: tensor for tensor in tensors}
    key = image_key(by_name, name, constants, owner)
    others = {
        other: ConstantInput(other, tf.as_dtype(tensor.dtype).name, Shape(tuple(tensor.shape)), constants)
        for other, tensor in by_name.items()
        if other != key
    }

    def inputs(images: Any) -> list[Any]:
        size = tf.shape(images)[0]
        return [images if other == key else others[other].for_batch(size) for other in by_name]

    return inputs, tuple(by_name[key].shape)
