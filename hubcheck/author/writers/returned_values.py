"""Check what a task's function returns against the contract of its signature."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from hubcheck.author.definition import Outputs, Task
from hubcheck.author.errors import AuthorError
from hubcheck.author.validation import hidden_key
from hubcheck.module.types import Shape
from hubcheck.rulebook.contract import TensorContract, load_contracts


def checked_outputs(architecture: str, task: Task, value: Any) -> dict[str, tf.Tensor]:
    """Return the outputs of a task by their keys.

    Raises:
        AuthorError: the value violates the contract; names the rule.
    """
    result = value if isinstance(value, Outputs) else Outputs(value)
    contract = load_contracts()[task.signature].outputs["default"]
    outputs = {"default": _checked_tensor(result.default, contract, f"{task.label} returns")}
    width = outputs["default"].shape[1]
    if task.classes and len(task.classes) != width:
        raise AuthorError(
            f"{task.label} returns logits for {width} classes, but there are {len(task.classes)} class names: "
            "their numbers must be equal",
            "classification/labels",
        )
    for name, tensor in result.hidden.items():
        key = hidden_key(architecture, name)
        if not tf.is_tensor(tensor) or isinstance(tensor, tf.SparseTensor | tf.RaggedTensor):
            raise AuthorError(f"the hidden output {name!r} of {task.label} is {_kind(tensor)}, not a dense tensor")
        # A copy, so that no two keys name the same tensor.
        outputs[key] = tf.identity(tensor)
    return outputs


def _checked_tensor(value: Any, contract: TensorContract, returns: str) -> tf.Tensor:
    if hasattr(value, "__array__") and not tf.is_tensor(value):
        raise AuthorError(
            f"{returns} a NumPy array, which is a constant: compute the result from the images with TensorFlow",
            "behaviour/informative",
        )
    if not isinstance(value, tf.Tensor):
        several = isinstance(value, dict | tuple | list)
        hint = "; pass hidden outputs as author.Outputs(default, hidden={...})" if several else ""
        raise AuthorError(f"{returns} {_kind(value)}: it must return a dense tensor, {contract}{hint}", "output/dense")
    actual = f"{value.dtype.name} {Shape(None if value.shape.rank is None else tuple(value.shape))}"
    if value.dtype != contract.dtype:
        raise AuthorError(
            f"{returns} {actual}: it must be {contract.dtype}; convert it with tf.cast(x, tf.{contract.dtype})",
            "output/dtype",
        )
    if value.shape.rank != contract.rank:
        hint = "; pool it with tf.reduce_mean(x, axis=[1, 2])" if value.shape.rank == 4 else ""
        raise AuthorError(
            f"{returns} {actual}: it must have {contract.rank} dimensions, {contract}{hint}", "output/rank"
        )
    for dim, wanted in zip(value.shape, contract.shape, strict=True):
        unknown = isinstance(wanted, str) and wanted.endswith("?")
        if unknown and dim is not None:
            raise AuthorError(
                f"{returns} {actual}, whatever the number of images: dimension 0 must be the batch size",
                "output/batch-size",
            )
        if not unknown and dim is None:
            raise AuthorError(
                f"{returns} {actual}: {wanted} must be known when the function is traced; set it with "
                "tf.ensure_shape(x, [None, n])",
                "output/width",
            )
    return value


def _kind(value: Any) -> str:
    if isinstance(value, tf.SparseTensor):
        return "a sparse tensor"
    if isinstance(value, tf.RaggedTensor):
        return "a ragged tensor"
    return "nothing" if value is None else f"a {type(value).__name__}"
