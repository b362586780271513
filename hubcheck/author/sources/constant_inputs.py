"""Networks with several inputs: one takes the images, and the others get constants."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import tensorflow as tf

from hubcheck.author.errors import AuthorError, suggestion
from hubcheck.module.tensors import Shape


def image_key(keys: Collection[str], name: str | None, constants: Mapping[str, Any], owner: str) -> str:
    """Return which input takes the images: the named one, or the only one without a constant.

    Args:
        owner: what error messages call what has the inputs.

    Raises:
        AuthorError: there is no such input, or the images may be for several.
    """
    for given in (name, *constants):
        if given is not None and given not in keys:
            raise AuthorError(f"{owner} has no input {given!r}{suggestion(given, keys)}")
    others = [key for key in keys if key not in constants]
    if name in constants or not others:
        raise AuthorError(f"{owner} needs an input for the images: leave one out of constants=", "image-input/sole")
    if name is None and len(others) != 1:
        raise AuthorError(
            f"{owner} has {len(keys)} inputs ({', '.join(keys)}), but a common signature takes only images: name their "
            "input with input=, and give the others a value with constants=",
            "image-input/sole",
        )
    return name or others[0]


class ConstantInput:
    """The value of an input other than the images; one whose first dimension is unknown gets it for each image.

    Raises:
        AuthorError: there is no value, or it does not fit the input.
    """

    def __init__(self, name: str, dtype: str, shape: Shape, constants: Mapping[str, Any]) -> None:
        wanted = f"the input {name!r}, {dtype} {shape},"
        if name not in constants:
            raise AuthorError(f"{wanted} needs a value: give it one with constants=", "image-input/sole")
        dims = shape.dims or ()
        self._per_image = dims[:1] == (None,)
        self._dims = list(dims[1:] if self._per_image else dims)
        try:
            self._value = tf.constant(constants[name], tf.as_dtype(dtype))
            tf.broadcast_to(self._value, self._dims)
        except (TypeError, ValueError, tf.errors.OpError):
            raise AuthorError(f"{wanted} cannot have the value {constants[name]!r}") from None

    def for_batch(self, size: Any) -> tf.Tensor:
        """Return the value for a batch of images."""
        return tf.broadcast_to(self._value, [size, *self._dims] if self._per_image else self._dims)
