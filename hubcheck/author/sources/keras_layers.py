"""Cut a Keras model at a layer: run it just as far as the wanted layers, whatever kind of model it is."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from hubcheck.author.errors import AuthorError, suggestion
from hubcheck.author.sources.cut_network import OutputKey

_PROBABILITIES = {"softmax", "log_softmax", "sigmoid", "hard_sigmoid", "log_sigmoid"}
_DROPOUTS = {
    "Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "AlphaDropout", "GaussianDropout",
}  # fmt: skip


class StopForward(BaseException):
    """Raised when all wanted values are known. A BaseException, so that Keras and AutoGraph do not handle it."""


@dataclass(frozen=True)
class LayerOutput:
    """A value inside a model: the output of a layer or operation, its input (`before`), or its output without its own
    activation (`linear`)."""

    layer: Any
    before: bool = False
    linear: bool = False


class KerasNetwork:
    """A model of Keras 3 or tf_keras as a network that can be cut.

    Attributes:
        inputs: the function from images to what the model is called with, where that is more than the images.
    """

    kind = "layer"
    cast: Container[str] = ("float16", "bfloat16")

    def __init__(self, model: Any) -> None:
        self._model = model
        self.inputs: Callable[[Any], Any] | None = None

    def names(self) -> list[str]:
        """Return the names of the layers and operations that have an output inside the model, in its order."""
        found = [layer for _, layer in self._tree() if type(layer).__name__ != "InputLayer"]
        return list(dict.fromkeys(layer.name for layer in found))

    def hidden(self, name: str) -> LayerOutput:
        """Return the output of any layer or operation, or with ".input" after its name its input."""
        return self._output(name, "a hidden output")

    def features(self, name: str) -> LayerOutput:
        """Return the output of a layer or operation that is not a dropout, or as for `hidden` an input."""
        return self._no_dropout(name, "features")

    def logits(self, name: str) -> tuple[LayerOutput, str | None]:
        """Return the output of a layer before its softmax or sigmoid, and the name of that activation."""
        output = self._no_dropout(name, "logits")
        if output.before:
            return output, None
        last = output.layer
        while type(last).__name__ == "Sequential" and last.layers:
            last = last.layers[-1]
        activation = getattr(getattr(last, "activation", None), "__name__", "")
        kind = type(last).__name__
        if kind == "Softmax" or (kind == "Activation" and activation in _PROBABILITIES):
            return LayerOutput(last, before=True), activation or "softmax"
        if activation in _PROBABILITIES:
            return LayerOutput(last, linear=True), activation
        return LayerOutput(last), None

    def run(self, images: Any, training: bool, outputs: Mapping[OutputKey, LayerOutput]) -> dict[OutputKey, Any]:
        """Run the model until all the outputs are known, and return their values.

        Raises:
            AuthorError: the model does not call a layer.
        """
        values: dict[OutputKey, Any] = {}
        parameters = inspect.signature(self._model.call).parameters.values()
        takes_training = any(one.name == "training" or one.kind is one.VAR_KEYWORD for one in parameters)
        with ExitStack() as stack:
            for key, output in outputs.items():
                call = _recording(output.layer.call, key, output.before, values, len(outputs))
                stack.enter_context(_replaced(output.layer, "call", call))
                if output.linear:
                    stack.enter_context(_replaced(output.layer, "activation", lambda scores: scores))
            images = self._cast(images)
            arguments = images if self.inputs is None else self.inputs(images)
            with suppress(StopForward):
                self._model(arguments, **({"training": training} if takes_training else {}))
        for key, output in outputs.items():
            if key not in values:
                raise AuthorError(
                    f"the model {self._model.name!r} does not call its layer {output.layer.name!r} on images"
                )
        return values

    def _cast(self, images: Any) -> Any:
        """Return images rounded to whole numbers if the model takes integers."""
        import tensorflow as tf

        declared = {tf.as_dtype(tensor.dtype) for tensor in getattr(self._model, "inputs", None) or ()}
        integers = [dtype for dtype in declared if dtype.is_integer]
        return tf.cast(tf.round(images), integers[0]) if len(declared) == 1 and integers else images

    def _tree(self) -> list[tuple[str, Any]]:
        """Return the model, its layers and its operations, nested ones included, each once with its path.

        A path is the names of the models around a layer and its own, joined by slashes: "model/backbone/pool".
        """
        tree: dict[int, tuple[str, Any]] = {id(self._model): (self._model.name, self._model)}
        level = list(tree.values())
        while level:
            children = [
                (f"{path}/{child.name}", child)
                for path, layer in level
                for child in (*_layers_in(layer), *getattr(layer, "operations", ()))
            ]
            level = list({id(child): (path, child) for path, child in reversed(children)}.values())[::-1]
            level = [(path, child) for path, child in level if id(child) not in tree]
            tree |= {id(child): (path, child) for path, child in level}
        return list(tree.values())

    def _output(self, name: str, purpose: str) -> LayerOutput:
        """Return the output, or the input, of the layer or operation with a name or the end of a path."""
        tree = self._tree()
        before = name.endswith(".input")
        short = name.removesuffix(".input")
        found = [(path, layer) for path, layer in tree if path == short]
        found = found or [(path, layer) for path, layer in tree if path.endswith(f"/{short}")]
        if not found:
            hint = suggestion(name, self.names())
            raise AuthorError(f"the model {self._model.name!r} has no layer {name!r} for {purpose}{hint}")
        if len(found) > 1:
            paths = list(dict.fromkeys(path for path, _ in found))
            choices = ", ".join(map(repr, paths[:8]))
            remedy = (
                f"choose one of {choices}" if len(paths) > 1 else f"all are {choices}: give them names of their own"
            )
            raise AuthorError(f"{len(found)} layers of the model {self._model.name!r} are named {short!r}: {remedy}")
        return LayerOutput(found[0][1], before=before)

    def _no_dropout(self, name: str, purpose: str) -> LayerOutput:
        output = self._output(name, purpose)
        kind = type(output.layer).__name__
        if kind in _DROPOUTS and not output.before:
            source = ""
            # Layers of subclassed models have no input that is known before they run, and some have several.
            with suppress(Exception):
                source = f", the output of {output.layer.input._keras_history[0].name!r}"
            raise AuthorError(
                f"the layer {name!r} is {kind}, but the {purpose} must not have dropout on them: "
                f"use its input{source}, as '{name}.input'",
                "output/no-dropout",
            )
        return output


def _layers_in(layer: Any) -> list[Any]:
    """Return the layers directly inside a layer; none of an operation."""
    return list(layer._flatten_layers(include_self=False, recursive=False)) if hasattr(layer, "_flatten_layers") else []


def _recording(
    call: Callable[..., Any], key: OutputKey, before: bool, values: dict[OutputKey, Any], wanted: int
) -> Any:
    """Return `call` with its result or its input recorded in `values`; it stops when all wanted ones are there."""

    def record(value: Any) -> None:
        values.setdefault(key, value)
        if len(values) == wanted:
            raise StopForward

    def recorded(*args: Any, **kwargs: Any) -> Any:
        if before:
            record(args[0] if args else next(iter(kwargs.values())))
        result = call(*args, **kwargs)
        if not before:
            record(result)
        return result

    return recorded


@contextmanager
def _replaced(layer: Any, name: str, value: Any) -> Iterator[None]:
    """Replace an attribute temporarily, without Keras tracking the change."""
    own = layer.__dict__.get(name, _replaced)
    object.__setattr__(layer, name, value)
    try:
        yield
    finally:
        if own is _replaced:
            object.__delattr__(layer, name)
        else:
            object.__setattr__(layer, name, own)
