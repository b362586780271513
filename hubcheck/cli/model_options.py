"""Options about a model, which `hubcheck adapt` and `hubcheck fix` share, and what their texts mean."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hubcheck.util.errors import UserError

if TYPE_CHECKING:
    from hubcheck.author.sources.pixels import Pixels

Number = TypeVar("Number", int, float)
_CHANNELS = "one number, or three with commas between them"

default = click.option(
    "--default",
    type=click.Choice(["image_feature_vector", "image_classification"]),
    help="The default signature, if there are both.",
)
constants = click.option(
    "--constant",
    "constants",
    multiple=True,
    metavar="NAME=VALUE",
    help="The value of another input, in JSON: is_training=false, or scale=[1,2]. Repeatable.",
)
mean = click.option("--mean", metavar="N[,N,N]", help="Subtract this from the pixels, for all channels or for each.")
std = click.option("--std", metavar="N[,N,N]", help="Divide the pixels by this, after the mean is subtracted.")
bgr = click.option(
    "--bgr", is_flag=True, help="The model takes blue, green and red; --mean and --std are in this order."
)
image_size = click.option(
    "--image-size", metavar="H,W", help="Height and width in pixels, if the model does not fix them."
)
classes = click.option("--classes", metavar="FILE", help="A text file with the names of the classes, one per line.")
overwrite = click.option("--overwrite", is_flag=True, help="Replace a module at DST, atomically.")


def parse_pixels(text: str | None, mean: str | None, std: str | None, *, bgr: bool) -> Pixels:
    """Return what --pixels, --mean, --std and --bgr say; without --pixels, the range is [0, 1]."""
    from hubcheck.author.sources.pixels import PRESETS, Pixels, normalized

    example = f"LOW,HIGH, such as 0,255, or one of {', '.join(PRESETS)}"
    low_high = (0, 1) if text is None or text in PRESETS else _numbers(text, float, "--pixels", example)
    return normalized(
        PRESETS.get(text or "") or Pixels(low_high[0], low_high[1]),
        mean=_numbers(mean, float, "--mean", _CHANNELS, (1, 3)) if mean else None,
        std=_numbers(std, float, "--std", _CHANNELS, (1, 3)) if std else None,
        bgr=bgr,
    )


def parse_image_size(text: str | None) -> tuple[int, int] | None:
    """Return height and width."""
    if not text:
        return None
    height, width = _numbers(text, int, "--image-size", "H,W, such as 224,224")
    return height, width


def parse_constants(texts: Sequence[str]) -> dict[str, Any]:
    """Return the values of inputs by their names."""
    return dict(map(_constant, texts))


def _numbers(
    text: str, kind: Callable[[str], Number], option: str, example: str, counts: Sequence[int] = (2,)
) -> tuple[Number, ...]:
    try:
        numbers = tuple(kind(part) for part in text.split(","))
        if len(numbers) not in counts:
            raise ValueError
    except ValueError:
        raise UserError(f"{option} must be {example}; it is {text!r}") from None
    return numbers


def _constant(text: str) -> tuple[str, Any]:
    name, assigned, value = text.partition("=")
    try:
        return name, json.loads(value if assigned else "")
    except ValueError:
        raise UserError(f"--constant must be NAME=VALUE with a value in JSON; it is {text!r}") from None
