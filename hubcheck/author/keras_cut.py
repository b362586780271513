"""Running a Keras model just as far as the layers that are wanted, of whatever kind the model is."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from hubcheck.author.errors import AuthorError, nearest

PROBABILITIES = {"softmax", "log_softmax", "sigmoid", "hard_sigmoid", "log_sigmoid"}
_DROPOUTS = {
    "Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "AlphaDropout", "GaussianDropout",
}  # fmt: skip


class _Cut(BaseException):
    """All that is wanted is there. A BaseException, so that neither Keras nor AutoGraph takes it for an error."""


@dataclass(frozen=True)
class Tap:
    """A value inside a model: what a layer gives, or (`before`) what it is given.

    `linear` replaces the layer's own activation, so that it gives the values before it.
    """

    layer: Any
    before: bool = False
    linear: Callable[[Any], Any] | None = None


def layers_of(model: Any) -> dict[str, Any]:
    """Every layer by its name, nested ones included; of two with one name the outer one."""
    found: dict[str, Any] = {model.name: model}
    level = [model]
    while level:
        below = [child for layer in level for child in layer._flatten_layers(include_self=False, recursive=False)]
        for layer in below:
            found.setdefault(layer.name, layer)
        level = below
    return found


def find(model: Any, name: str, purpose: str) -> Any:
    """The layer of this name.

    Raises:
        AuthorError: there is none; names the nearest.
    """
    layers = layers_of(model)
    if name not in layers:
        raise AuthorError(f"the model {model.name!r} has no layer {name!r} for {purpose}{nearest(name, layers)}")
    return layers[name]


def features_tap(model: Any, name: str) -> Tap:
    """Where the feature vectors are taken.

    Raises:
        AuthorError: there is no such layer, or it is a dropout.
    """
    layer = find(model, name, "features")
    if type(layer).__name__ in _DROPOUTS:
        raise AuthorError(
            f"the layer {name!r} is {type(layer).__name__}: dropout on the features is the consumer's to apply; "
            f"take the layer before it{_before(model, layer)}",
            "output/no-dropout",
        )
    return Tap(layer)


def logits_tap(model: Any, name: str) -> tuple[Tap, str | None]:
    """Where the logits are taken, and the activation that was left out to get them."""
    layer = find(model, name, "logits")
    if type(layer).__name__ in _DROPOUTS:
        raise AuthorError(
            f"the layer {name!r} is {type(layer).__name__}: there must be no dropout on the logits; "
            f"take the layer before it{_before(model, layer)}",
            "output/no-dropout",
        )
    last = _innermost(layer)
    kind = type(last).__name__
    activation = getattr(getattr(last, "activation", None), "__name__", "")
    if kind == "Softmax" or (kind == "Activation" and activation in PROBABILITIES):
        return Tap(last, before=True), activation or "softmax"
    if activation in PROBABILITIES:
        return Tap(last, linear=lambda scores: scores), activation
    return Tap(last if last is not layer else layer), None


@contextmanager
def _tapped(taps: Mapping[str, Tap], records: dict[str, Any]) -> Iterator[None]:
    """While it lasts, the layers keep a record of what flows through them."""
    by_layer: dict[int, list[str]] = {}
    for key, tap in taps.items():
        by_layer.setdefault(id(tap.layer), []).append(key)
    with ExitStack() as stack:
        for keys in by_layer.values():
            layer = taps[keys[0]].layer
            recording = _recording(layer.call, {key: taps[key] for key in keys}, records, len(taps))
            stack.enter_context(_replaced(layer, "call", recording))
            linear = next((taps[key].linear for key in keys if taps[key].linear is not None), None)
            if linear is not None:
                stack.enter_context(_replaced(layer, "activation", linear))
        yield


def _recording(call: Callable[..., Any], taps: Mapping[str, Tap], records: dict[str, Any], wanted: int) -> Any:
    def recorded(*args: Any, **kwargs: Any) -> Any:
        for key, tap in taps.items():
            if tap.before:
                records.setdefault(key, args[0] if args else next(iter(kwargs.values())))
        if len(records) == wanted:
            raise _Cut
        result = call(*args, **kwargs)
        for key in taps:
            records.setdefault(key, result)
        if len(records) == wanted:
            raise _Cut
        return result

    return recorded


@contextmanager
def _replaced(layer: Any, name: str, value: Any) -> Iterator[None]:
    """Set an attribute past Keras's own bookkeeping, and set it back."""
    own = layer.__dict__.get(name, _replaced)
    object.__setattr__(layer, name, value)
    try:
        yield
    finally:
        if own is _replaced:
            object.__delattr__(layer, name)
        else:
            object.__setattr__(layer, name, own)


def run(model: Any, images: Any, training: bool, taps: Mapping[str, Tap]) -> dict[str, Any]:
    """Run the model on images until everything that is tapped is known.

    Raises:
        AuthorError: a layer was not called.
    """
    records: dict[str, Any] = {}
    options = {"training": training} if _takes_training(model) else {}
    with _tapped(taps, records), suppress(_Cut):
        model(images, **options)
    for key, tap in taps.items():
        if key not in records:
            raise AuthorError(f"the layer {tap.layer.name!r} is not called when {model.name!r} runs on images")
    return records


def _takes_training(model: Any) -> bool:
    parameters = inspect.signature(model.call).parameters.values()
    return any(parameter.name == "training" or parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)


def _innermost(layer: Any) -> Any:
    """The last layer of a nested sequential model: what its output is made by."""
    while type(layer).__name__ == "Sequential" and layer.layers:
        layer = layer.layers[-1]
    return layer


def _before(model: Any, layer: Any) -> str:
    names = [other.name for other in getattr(model, "layers", [])]
    index = names.index(layer.name) if layer.name in names else 0
    return f", {names[index - 1]!r}" if index else ""
