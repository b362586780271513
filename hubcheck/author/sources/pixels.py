"""Pixels: what a network expects of pixel values, for models that take no RGB in [0, 1]."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from hubcheck.author.errors import AuthorError, suggestion


@dataclass(frozen=True, slots=True)
class Pixels:
    """The pixel values that a network expects: scaled to a range, then normalized for each channel.

    Args:
        low: the value of black.
        high: the value of white.
        mean: what is subtracted from the scaled values; one number, or three in the order of the network's channels.
        std: what the differences are divided by; likewise.
        bgr: the network takes blue, green and red instead of red, green and blue.

    Raises:
        AuthorError: the numbers are not usable.
    """

    low: float = 0
    high: float = 1
    mean: float | Sequence[float] | None = None
    std: float | Sequence[float] | None = None
    bgr: bool = False

    def __post_init__(self) -> None:
        try:
            low, high = float(self.low), float(self.high)
            usable = low < high
        except (TypeError, ValueError):
            usable = False
        if not usable:
            raise _unusable(f"({self.low!r}, {self.high!r})")
        object.__setattr__(self, "low", low)
        object.__setattr__(self, "high", high)
        mean, std = _per_channel("mean", self.mean), _per_channel("std", self.std)
        if std and min(std) <= 0:
            raise AuthorError(f"std must be positive, not {self.std!r}", "image-input/value-range")
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "std", std)

    @property
    def only_color(self) -> bool:
        """Whether the three channels are treated differently."""
        return self.bgr or any(len(part) == 3 for part in (self.mean, self.std) if isinstance(part, tuple))

    def convert(self, images: Any) -> Any:
        """Return the network's input for float32 images in [0, 1], [batch, height, width, channels]."""
        if self.bgr:
            images = images[..., ::-1]
        if (self.low, self.high) != (0, 1):
            images = images * self.high if self.low == 0 else images * (self.high - self.low) + self.low
        if self.mean is not None:
            images = images - self.mean
        return images if self.std is None else images / self.std

    def notes(self) -> list[str]:
        """Return sentences for the documentation; none if the network takes the images unchanged."""
        steps = []
        if (self.low, self.high) != (0, 1):
            steps.append(f"scaled to [{self.low:g}, {self.high:g}]")
        if self.bgr:
            steps.append("reordered to BGR")
        if self.mean is not None or self.std is not None:
            parts = [f"{name} {_listed(part)}" for name, part in (("mean", self.mean), ("std", self.std)) if part]
            steps.append(f"normalized by {' and '.join(parts)}")
        return [f"Images in [0, 1] are {', '.join(steps)} for the network."] if steps else []


@dataclass(frozen=True, slots=True)
class PixelFunction:
    """A publisher's function from float32 images in [0, 1] to the network's input."""

    function: Callable[[Any], Any]

    @property
    def only_color(self) -> bool:
        """Whether the three channels are treated differently, as far as is known."""
        return False

    def convert(self, images: Any) -> Any:
        """Return the network's input for images."""
        return self.function(images)

    def notes(self) -> list[str]:
        """Return a sentence for the documentation."""
        name = getattr(self.function, "__name__", "")
        by = f"`{name}`" if name.isidentifier() else "a function of the publisher's"
        return [f"Images in [0, 1] are converted by {by} for the network."]

    def call_once(self, height: int, width: int, channels: int) -> None:
        """Call the function on a black image outside of any graph.

        Some functions, such as `preprocess_input` of efficientnet, keep a tensor from their first call for all later
        ones. A tensor of a graph could not be used in another graph.
        """
        # An error here is reported when the module is traced.
        with suppress(Exception):
            import tensorflow as tf

            with tf.init_scope():
                self.function(tf.zeros([1, height, width, channels]))


PixelsArgument = str | Sequence[float] | Pixels | Callable[[Any], Any]
"""What publishers may pass: a preset's name, (low, high), Pixels, or a function of images in [0, 1]."""


def as_pixels(argument: PixelsArgument) -> Pixels | PixelFunction:
    """Return what a publisher's argument means.

    Raises:
        AuthorError: it is none of those.
    """
    if isinstance(argument, Pixels):
        return argument
    if isinstance(argument, str):
        if argument not in PRESETS:
            raise AuthorError(f"unknown pixels {argument!r}{suggestion(argument, PRESETS)}", "image-input/value-range")
        return PRESETS[argument]
    if callable(argument):
        return PixelFunction(argument)
    try:
        low, high = argument
    except (TypeError, ValueError):
        raise _unusable(repr(argument)) from None
    return Pixels(low, high)


def normalized(pixels: Pixels, *, mean: Sequence[float] | None, std: Sequence[float] | None, bgr: bool) -> Pixels:
    """Return pixels with what is given instead of its own mean, std and order of channels."""
    return replace(pixels, mean=mean or pixels.mean, std=std or pixels.std, bgr=bgr or pixels.bgr)


def _per_channel(name: str, value: Any) -> tuple[float, ...] | None:
    if value is None:
        return None
    try:
        numbers = tuple(float(one) for one in (value if hasattr(value, "__len__") else [value]))
        if len(numbers) not in (1, 3):
            raise ValueError
    except (TypeError, ValueError):
        message = f"{name} must be one number, or three, one for each channel in the network's order, not {value!r}"
        raise AuthorError(message, "image-input/value-range") from None
    return numbers


def _listed(numbers: Any) -> str:
    return ", ".join(f"{number:g}" for number in numbers)


def _unusable(found: str) -> AuthorError:
    return AuthorError(
        "pixels must be (low, high), the range of values that the network expects, such as (-1, 1) or (0, 255), "
        f"{', '.join(map(repr, PRESETS))}, author.Pixels(...), or a function of images in [0, 1], not {found}",
        "image-input/value-range",
    )


PRESETS = {
    "tf": Pixels(-1, 1),
    "caffe": Pixels(0, 255, mean=(103.939, 116.779, 123.68), bgr=True),
    "torch": Pixels(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
}
"""The modes of `keras.applications.imagenet_utils.preprocess_input`."""
