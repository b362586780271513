"""Trace a module's functions, once for inference and once for training, and check what they return."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from hubcheck.author.definition import CLASSES, FEATURES, LABELS, ModuleDefinition, Outputs, Task, hidden_key
from hubcheck.author.errors import AuthorError
from hubcheck.author.flat_graph import VARIABLE_WRITES, all_nodes
from hubcheck.graph.op_tables.ops import random_ops
from hubcheck.module.tensors import Shape
from hubcheck.rulebook.contract import TensorContract, load_contracts


class TracedModule:
    """A module with its functions traced.

    Args:
        definition: the module.
        default: the primary task's signature.

    Attributes:
        images: the input of the contract, with the module's image size.
        traces: by training, the function of all tasks: images to {signature: {key: tensor}}.
    """

    def __init__(self, definition: ModuleDefinition, default: str) -> None:
        self.definition, self.default = definition, default
        (contract,) = load_contracts()[default].inputs.values()
        sizes: Mapping[str, int] = dict(zip(("height", "width"), definition.image_size, strict=True))
        shape = [dim if isinstance(dim, int) else None if dim.endswith("?") else sizes[dim] for dim in contract.shape]
        self.images = tf.TensorSpec(shape, contract.dtype, contract.key)
        self.traces = {training: _trace(definition, self.images, training) for training in (False, True)}

    def signature(self, name: str) -> Any:
        """Return the function of one task in inference: images to {key: tensor}."""
        select = tf.function(lambda images: self.traces[False](images)[name], autograph=False)
        return select.get_concrete_function(self.images)

    def callable(self, task: str) -> Any:
        """Return the function of images and training that computes a task's default output."""

        @tf.function(autograph=False)  # type: ignore[untyped-decorator]
        def call(images: tf.Tensor, training: bool = False) -> tf.Tensor:
            return self.traces[bool(training)](images)[task]["default"]

        for training in (False, True):
            call.get_concrete_function(self.images, training=training)
        return call

    def training_effects(self) -> list[str]:
        """Return what training does that inference does not, as verbs with their objects."""
        nodes = list(all_nodes(self.traces[True].graph.as_graph_def()))
        # Integers that are updated are seeds and counters.
        updates = any(node.op in VARIABLE_WRITES and tf.as_dtype(node.attr["dtype"].type).is_floating for node in nodes)
        effects = {
            "updates batch normalization": updates,
            "applies inner dropout or noise": any(node.op in random_ops() for node in nodes),
        }
        return [effect for effect, found in effects.items() if found]

    def notes(self) -> list[str]:
        """Return sentences about what consumers cannot do with the module."""
        if any(trace.graph.variables for trace in self.traces.values()):
            return []
        return ["The module has no variables: its weights are constants, and it cannot be fine-tuned."]

    def write_labels(self, folder: Path) -> Path:
        """Write the class names to a file in the folder, one per line."""
        file = folder / LABELS
        file.write_text("\n".join(self.definition.classes) + "\n", encoding="utf-8")
        return file


def _trace(module: ModuleDefinition, images: tf.TensorSpec, training: bool) -> Any:
    mistakes: list[AuthorError] = []
    current: list[Task] = []
    # Features first: logits may be computed from them.
    tasks = [module.tasks[name] for name in (FEATURES, CLASSES) if name in module.tasks]

    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
    def check(task: Task, value: Any) -> dict[str, tf.Tensor]:
        try:
            return _checked_outputs(module.architecture, task, value)
        except AuthorError as error:
            # Kept, because AutoGraph raises another error instead.
            mistakes.append(error)
            raise

    def compute(images: tf.Tensor) -> Any:
        results: dict[str, dict[str, tf.Tensor]] = {}
        if module.joint_function is not None:
            for signature, outputs in module.joint_function(images, training).items():
                results[signature] = check(module.tasks[signature], outputs)
            return results
        features: Any = None
        for task in tasks:
            current.append(task)
            argument = features["default"] if task.takes_features else images
            value = task.function(argument, training=training) if task.takes_training else task.function(argument)
            results[task.signature] = check(task, value)
            if task.takes_features:
                # Classification from features also has their hidden outputs.
                results[task.signature] = {**features, **results[task.signature]}
            features = results[task.signature]
        return results

    try:
        traced = tf.function(compute).get_concrete_function(images)
    except Exception as error:
        if mistakes:
            raise mistakes[0] from None
        where = f"{current[-1].label} fails" if current else "the module fails"
        when = " in training" if training else ""
        raise AuthorError(f"{where} on images {Shape(tuple(images.shape))}{when}: {_summary(error)}") from error
    if any(not hasattr(tensor, "numpy") and tensor.dtype != tf.resource for tensor in traced.captured_inputs):
        raise AuthorError(
            f"{tasks[-1].label} uses a tensor that was made while another function was traced, such as one that a "
            "function keeps from its first call: call that function once on an image before, or make the tensor a "
            "NumPy array"
        )
    updates = [] if training else [n.name for n in all_nodes(traced.graph.as_graph_def()) if n.op in VARIABLE_WRITES]
    if updates:
        raise AuthorError(
            f"{tasks[-1].label} updates a variable in inference ({updates[0]}): pass its `training` argument on to the "
            "layers, and update variables only if it is true",
            "behaviour/deterministic",
        )
    return traced


def _summary(error: BaseException) -> str:
    """Return the last line of an error that is not Keras's or AutoGraph's list of arguments and files."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    noise = ("Arguments received", "•", "Call arguments", "File ", "in user code")
    return next((line for line in reversed(lines) if not line.startswith(noise)), type(error).__name__)


def _checked_outputs(architecture: str, task: Task, value: Any) -> dict[str, tf.Tensor]:
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
