"""What the user gives to `fix`, instead of what it would infer."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hubcheck.author.definition import check_architecture, check_image_size
from hubcheck.author.errors import AuthorError
from hubcheck.author.sources.pixels import Pixels, PixelsArgument, as_pixels
from hubcheck.checks.fixing.tasks import Choices


@dataclass(frozen=True, slots=True, kw_only=True)
class FixOptions:
    """What is given to `hubcheck.author.fix` about a module, instead of what its graph tells.

    Args:
        signature: the signature that has the tasks' outputs, if there is no common signature.
        input: the input for the images.
        constants: the values of other inputs, numbers or booleans.
        features, logits: the outputs that are feature vectors and logits.
        default: the task of the default signature.
        architecture: the prefix of the keys of hidden outputs.
        pixels: the pixel values that the network takes: (low, high), Pixels, "tf", "caffe" or "torch".
        image_size: height and width in pixels.
        pool: how features at every position become one vector: "average" or "max".
        classes: the names of the classes, or a text file with one per line.
        description: sentences for MODULE.md.

    Raises:
        AuthorError: one of them is not usable.
    """

    signature: str | None = None
    input: str | None = None
    constants: Mapping[str, Any] = field(default_factory=dict)
    features: str | None = None
    logits: str | None = None
    default: str | None = None
    architecture: str | None = None
    pixels: PixelsArgument | None = None
    image_size: tuple[int, int] | None = None
    pool: str | None = None
    classes: str | os.PathLike[str] | Sequence[str] | None = None
    description: str = ""

    def __post_init__(self) -> None:
        if self.architecture is not None:
            check_architecture(self.architecture)
        if self.image_size is not None:
            check_image_size(self.image_size)
        if self.pixels is not None and not isinstance(as_pixels(self.pixels), Pixels):
            raise AuthorError(
                "pixels= must be numbers: what a function does cannot be proven", "image-input/value-range"
            )
        for name, value in self.constants.items():
            if not isinstance(value, bool | int | float):
                raise AuthorError(f"the constant {name!r} must be a number or a boolean, not {value!r}")

    @property
    def choices(self) -> Choices:
        """What a plan has to respect."""
        return Choices(
            signature=self.signature,
            input=self.input,
            features=self.features,
            logits=self.logits,
            default=self.default,
            architecture=self.architecture,
            image_size=self.image_size,
            has_pixels=self.pixels is not None,
            has_classes=self.classes is not None,
            pools=self.pool is not None,
            constants=tuple(self.constants),
        )


NO_OPTIONS = FixOptions()
