"""Convert what a consumer passes to the inputs of a signature."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from hubcheck.module.tensors import Tensor
from hubcheck.module.types import Signature


def to_tensors(inputs: Any, signature: Signature) -> dict[str, Any]:
    """Return the inputs by name, as tensors that the signature accepts.

    Raises:
        TypeError: some are missing or surplus, or one cannot be converted.
    """
    wanted = signature.inputs
    if inputs is None:
        given: Mapping[str, Any] = {}
    elif isinstance(inputs, Mapping):
        given = inputs
    elif len(wanted) == 1:
        given = {next(iter(wanted)): inputs}
    elif not wanted:
        raise TypeError(f"Signature {signature.key!r} expects no inputs.")
    else:
        names = ", ".join(sorted(wanted))
        raise TypeError(f"Signature {signature.key!r} expects multiple inputs ({names}). Use a dict.")
    missing, surplus = sorted(set(wanted) - set(given)), sorted(set(given) - set(wanted))
    if missing or surplus:
        raise TypeError(
            f"Cannot convert the inputs of signature {signature.key!r}: missing {missing}, extra given {surplus}"
        )
    return {key: _to_tensor(key, given[key], tensor) for key, tensor in wanted.items()}


def graph_feeds(inputs: Mapping[str, Any], signature: Signature) -> dict[str, Any]:
    """Return what to feed, by the names of the graph tensors that the inputs consist of."""
    feeds: dict[str, Any] = {}
    for key, tensor in signature.inputs.items():
        # A SparseTensor flattens to indices, values and dense shape: the order in which facts name them.
        feeds.update(zip(tensor.components, tf.nest.flatten(inputs[key], expand_composites=True), strict=True))
    return feeds


def _to_tensor(key: str, value: Any, wanted: Tensor) -> Any:
    dtype = tf.as_dtype(wanted.dtype)
    shape = tf.TensorShape(wanted.shape.dims)
    if wanted.encoding == "composite":
        return value
    if wanted.encoding == "sparse":
        if not isinstance(value, tf.SparseTensor):
            raise TypeError(f"Can't convert {key!r}: Got {_description(value)}. Expected a SparseTensor, {wanted}.")
        tensor = value
    else:
        if isinstance(value, tf.SparseTensor | tf.RaggedTensor | tf.IndexedSlices):
            raise TypeError(f"Can't convert {key!r}: Got {_description(value)}. Expected a dense tensor, {wanted}.")
        try:
            tensor = tf.convert_to_tensor(value, dtype)
        except (TypeError, ValueError) as error:
            raise TypeError(
                f"Can't convert {key!r}: Got {_description(value)}. Expected {wanted}. ({error})"
            ) from error
    if tensor.dtype != dtype or not shape.is_compatible_with(tensor.shape):
        raise TypeError(f"Can't convert {key!r}: Got {_description(tensor)}. Expected {wanted}.")
    return tensor


def _description(value: Any) -> str:
    shape = getattr(value, "shape", None)
    dtype = getattr(getattr(value, "dtype", None), "name", None)
    dims = "" if shape is None else f" {list(shape)}".replace("None", "?")
    return f"{type(value).__name__}{f' of {dtype}' if dtype else ''}{dims}"
