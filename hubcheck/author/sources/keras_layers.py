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
    """A value inside a model: the output of a layer, its input (`before`), or its output without the layer's own
    activation (`linear`)."""

    layer: Any
    before: bool = False
    linear: bool = False


class KerasNetwork:
    """A model of Keras 3 or tf_keras as a network that can be cut."""

    kind = "layer"
    cast: Container[str] = ("float16", "bfloat16")

    def __init__(self, model: Any) -> None:
        self._model = model

    def layers(self) -> dict[str, Any]:
        """Return the model and all its layers by name, nested ones included; of two with one name the outer one."""
        layers: dict[str, Any] = {self._model.name: self._model}
        level = [self._model]
        while level:
            level = [child for layer in level for child in layer._flatten_layers(include_self=False, recursive=False)]
            for layer in level:
                layers.setdefault(layer.name, layer)
        return layers

    def hidden(self, name: str) -> LayerOutput:
        """Return the output of any layer."""
        return LayerOutput(self._layer(name, "a hidden output"))

    def features(self, name: str) -> LayerOutput:
        """Return the output of a layer that is not a dropout."""
        return LayerOutput(self._no_dropout(name, "features"))

    def logits(self, name: str) -> tuple[LayerOutput, str | None]:
        """Return the output of a layer before its softmax or sigmoid, and the name of that activation."""
        last = self._no_dropout(name, "logits")
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
            with suppress(StopForward):
                self._model(images, **({"training": training} if takes_training else {}))
        for key, output in outputs.items():
            if key not in values:
                raise AuthorError(
                    f"the model {self._model.name!r} does not call its layer {output.layer.name!r} on images"
                )
        return values

    def _layer(self, name: str, purpose: str) -> Any:
        layers = self.layers()
        if name not in layers:
            hint = suggestion(name, layers)
            raise AuthorError(f"the model {self._model.name!r} has no layer {name!r} for {purpose}{hint}")
        return layers[name]

    def _no_dropout(self, name: str, purpose: str) -> Any:
        layer = self._layer(name, purpose)
        kind = type(layer).__name__
        if kind in _DROPOUTS:
            names = [other.name for other in getattr(self._model, "layers", [])]
            index = names.index(name) if name in names else 0
            before = f", {names[index - 1]!r}" if index else ""
            raise AuthorError(
                f"the layer {name!r} is {kind}, but the {purpose} must not have dropout on them: "
                f"use the layer before it{before}",
                "output/no-dropout",
            )
        return layer


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
