"""From the convention's images, RGB in [0, 1], to what a network was trained on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hubcheck.author.errors import AuthorError

Pixels = tuple[float, float] | Callable[[Any], Any]


def scaler(pixels: Pixels) -> Callable[[Any], Any]:
    """The function from [0, 1] to the network's own pixel values.

    Args:
        pixels: (low, high), the range that the network expects; or a function of float32 images in [0, 1].

    Raises:
        AuthorError: it is neither.
    """
    if callable(pixels):
        return pixels
    try:
        low, high = (float(bound) for bound in pixels)
        if not low < high:
            raise ValueError
    except (TypeError, ValueError):
        raise AuthorError(
            f"pixels must be (low, high), the range of values that the network expects, such as (-1, 1) or (0, 255), "
            f"or a function of images in [0, 1]; it is {pixels!r}",
            "image-input/value-range",
        ) from None
    if (low, high) == (0, 1):
        return lambda images: images
    if low == 0:
        return lambda images: images * high
    return lambda images: images * (high - low) + low


def described(pixels: Pixels) -> str:
    """A sentence for the documentation, or nothing if the network takes the images as they are."""
    if callable(pixels):
        return f"Images in [0, 1] are converted by `{getattr(pixels, '__name__', 'a function')}` for the network."
    low, high = pixels
    return "" if (low, high) == (0, 1) else f"Images in [0, 1] are scaled to [{low:g}, {high:g}] for the network."


def check_input(shape: tuple[int | None, ...] | None, name: str, *, grayscale: bool) -> None:
    """Whether a network's own input can be fed with a batch of images.

    Raises:
        AuthorError: it cannot; says what to do.
    """
    if shape is None:
        return
    if len(shape) != 4:
        raise AuthorError(
            f"{name} takes {len(shape)} dimensions, {_shape(shape)}: images need 4, [batch, height, width, 3]",
            "image-input/rank",
        )
    if shape[0] is not None:
        raise AuthorError(
            f"{name} takes batches of {shape[0]} only, {_shape(shape)}: export it again with a batch dimension of None",
            "image-input/batch-size",
        )
    if shape[1] in (1, 3) and shape[3] not in (1, 3):
        raise AuthorError(
            f"{name} takes channels first (NCHW), {_shape(shape)}: build it again with data_format='channels_last'",
            "image-input/channels",
        )
    if shape[3] == 1 and not grayscale:
        raise AuthorError(
            f"{name} takes gray images, {_shape(shape)}, and modules get three channels, RGB: with grayscale=True the "
            "module converts them itself, by tf.image.rgb_to_grayscale, and says so",
            "image-input/channels",
        )
    if grayscale and shape[3] not in (1, None):
        raise AuthorError(f"grayscale=True is for networks of one channel; {name} takes {_shape(shape)}")
    if shape[3] not in (1, 3, None):
        said = f"{name} takes {shape[3]} channels, {_shape(shape)}; modules get 3, RGB"
        raise AuthorError(said, "image-input/channels")


def settle_size(shape: tuple[int | None, ...] | None, given: tuple[int, int] | None, name: str) -> tuple[int, int]:
    """The image size, from the network's input shape and what the publisher says.

    Raises:
        AuthorError: they disagree, or neither tells.
    """
    own = (None, None) if shape is None else (shape[1], shape[2])
    if given is None:
        if own[0] is None or own[1] is None:
            raise AuthorError(
                f"{name} takes images of any size: say which size the module expects with image_size=(height, width)",
                "image-input/image-size",
            )
        return own[0], own[1]
    if any(side is not None and side != wanted for side, wanted in zip(own, given, strict=True)):
        raise AuthorError(
            f"{name} takes images of {own[0]} x {own[1]} pixels, and image_size says {given[0]} x {given[1]}: "
            "leave image_size out, or build the network for that size",
            "image-input/image-size",
        )
    return given


def _shape(shape: tuple[int | None, ...]) -> str:
    return "[" + ", ".join("?" if side is None else str(side) for side in shape) + "]"
