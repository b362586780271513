"""From the publisher's functions to traced ones, held against the contract before anything is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import tensorflow as tf

from hubcheck.author.arguments import hidden_key
from hubcheck.author.builder import CLASSES, FEATURES, ImageModule, Outputs, Task
from hubcheck.author.errors import AuthorError
from hubcheck.module.types import Shape
from hubcheck.rulebook.contract import TensorContract, load_contracts

WRITES = frozenset({"AssignVariableOp", "AssignAddVariableOp", "AssignSubVariableOp"})
"""The ops by which a function changes a variable as a whole."""

Results = dict[str, dict[str, tf.Tensor]]


@dataclass
class Program:
    """The module's functions, traced on demand: once for inference and once for training.

    `default` is the primary task's signature.
    """

    module: ImageModule
    default: str
    _traces: dict[bool, Any] = field(default_factory=dict)
    _signatures: dict[str, Any] = field(default_factory=dict)

    @property
    def images(self) -> tf.TensorSpec:
        """What the contract says of the input, with this module's image size."""
        (contract,) = load_contracts()[self.default].inputs.values()
        return tf.TensorSpec(_dims(contract, self.module), contract.dtype, contract.key)

    def trace(self, training: bool) -> Any:
        """All tasks at once: images to {signature: {key: tensor}}."""
        if training not in self._traces:
            self._traces[training] = _trace(self.module, self.images, training)
        return self._traces[training]

    def signature(self, name: str) -> Any:
        """One task in inference: images to all its outputs, {key: tensor}."""
        if name not in self._signatures:
            trace = self.trace(False)
            select = tf.function(lambda images: trace(images)[name], autograph=False)
            self._signatures[name] = select.get_concrete_function(self.images)
        return self._signatures[name]

    def callable(self) -> Any:
        """The primary task's default output, of images and training."""
        traces = {training: self.trace(training) for training in (False, True)}

        @tf.function(autograph=False)  # type: ignore[untyped-decorator]
        def call(images: tf.Tensor, training: bool = False) -> tf.Tensor:
            return traces[bool(training)](images)[self.default]["default"]

        for training in (False, True):
            call.get_concrete_function(self.images, training=training)
        return call


def _trace(module: ImageModule, images: tf.TensorSpec, training: bool) -> Any:
    mistakes: list[AuthorError] = []
    current: list[Task] = []
    check = _Check(module, mistakes)
    # Features first: logits may be computed from them.
    tasks = [module.tasks[name] for name in (FEATURES, CLASSES) if name in module.tasks]

    def compute(images: tf.Tensor) -> Any:
        results: Results = {}
        features = None
        if module.joint is not None:
            for signature, outputs in module.joint(images, training).items():
                results[signature] = check.outputs(module.tasks[signature], outputs)
            return results
        for task in tasks:
            current.append(task)
            given = features if task.takes_features else images
            made = task.function(given, training=training) if task.takes_training else task.function(given)
            results[task.signature] = check.outputs(task, made)
            features = results[task.signature]["default"]
        return check.shared(results)

    try:
        traced = tf.function(compute).get_concrete_function(images)
    except Exception as error:
        if mistakes:
            raise mistakes[0] from None
        where = f"{current[-1].name} fails" if current else "the module fails"
        when = " in training" if training else ""
        raise AuthorError(f"{where} on images {Shape(tuple(images.shape))}{when}: {last_line(error)}") from error
    if not training:
        _unchanging(traced, tasks[-1])
    return traced


def _unchanging(traced: Any, task: Task) -> None:
    """Inference must leave the variables as they are."""
    graph = traced.graph.as_graph_def()
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    writing = next((node for node in nodes if node.op in WRITES), None)
    if writing is not None:
        raise AuthorError(
            f"{task.name} changes a variable in inference too ({writing.name}): pass its `training` argument on to "
            "the layers, and change variables only where it is true",
            "behaviour/deterministic",
        )


class _Check:
    """Holds what the functions return against the contract; keeps the mistake, which AutoGraph would rewrite."""

    def __init__(self, module: ImageModule, mistakes: list[AuthorError]) -> None:
        self.module = module
        self.mistakes = mistakes

    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
    def outputs(self, task: Task, made: Any) -> dict[str, tf.Tensor]:
        try:
            return _outputs(self.module, task, made)
        except AuthorError as error:
            self.mistakes.append(error)
            raise

    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
    def shared(self, results: Results) -> Results:
        """Classification gives the hidden outputs of the features that it is computed from, too."""
        task = self.module.tasks.get(CLASSES)
        if task is not None and task.takes_features and CLASSES in results:
            for key, tensor in results[FEATURES].items():
                results[CLASSES].setdefault(key, tensor)
        return results


def _outputs(module: ImageModule, task: Task, made: Any) -> dict[str, tf.Tensor]:
    result = made if isinstance(made, Outputs) else Outputs(made)
    contract = load_contracts()[task.signature].outputs
    outputs = {"default": _held(result.default, contract["default"], task, "default")}
    classes = len(task.classes)
    width = outputs["default"].shape[1]
    if classes and classes != width:
        raise AuthorError(
            f"{task.name} returns logits for {width} classes, but {classes} class names are given: "
            "there must be as many",
            "classification/labels",
        )
    for name, tensor in result.hidden.items():
        key = hidden_key(module.architecture, name)
        if not tf.is_tensor(tensor) or isinstance(tensor, tf.SparseTensor | tf.RaggedTensor):
            raise AuthorError(f"the hidden output {name!r} of {task.name} is {_kind(tensor)}, not a dense tensor")
        # An output of its own, so that two keys never name one tensor.
        outputs[key] = tf.identity(tensor)
    return outputs


def _held(value: Any, contract: TensorContract, task: Task, key: str) -> tf.Tensor:
    """The value, if it keeps the contract.

    Raises:
        AuthorError: it does not; names the rule.
    """
    says = f"{task.name} returns"
    if hasattr(value, "__array__") and not tf.is_tensor(value):
        raise AuthorError(
            f"{says} a NumPy array, a constant: compute the result from the images with TensorFlow",
            "behaviour/informative",
        )
    if not isinstance(value, tf.Tensor):
        several = isinstance(value, dict | tuple | list)
        hint = "; hidden outputs go into author.Outputs(default, hidden={...})" if several else ""
        raise AuthorError(f"{says} {_kind(value)}: it must return a dense tensor, {contract}{hint}", "output/dense")
    found = f"{value.dtype.name} {Shape(None if value.shape.rank is None else tuple(value.shape))}"
    if value.dtype != contract.dtype:
        raise AuthorError(
            f"{says} {found}: it must be {contract.dtype}; convert it with tf.cast(x, tf.{contract.dtype})",
            "output/dtype",
        )
    if value.shape.rank != contract.rank:
        pool = "; pool it with tf.reduce_mean(x, axis=[1, 2])" if value.shape.rank == 4 else ""
        raise AuthorError(f"{says} {found}: it must have {contract.rank} dimensions, {contract}{pool}", "output/rank")
    for found_dim, want in zip(value.shape, contract.shape, strict=True):
        unknown = isinstance(want, str) and want.endswith("?")
        if unknown and found_dim is not None:
            raise AuthorError(
                f"{says} {found}, the same for any number of images: its first dimension must follow the batch",
                "output/batch-size",
            )
        if not unknown and found_dim is None:
            raise AuthorError(
                f"{says} {found}: {want} must be a constant; fix it with tf.ensure_shape(x, [None, n])",
                "output/width",
            )
    return value


def _dims(contract: TensorContract, module: ImageModule) -> list[int | None]:
    sizes: Mapping[str, int] = dict(zip(("height", "width"), module.image_size, strict=True))
    return [dim if isinstance(dim, int) else None if dim.endswith("?") else sizes[dim] for dim in contract.shape]


def _kind(value: Any) -> str:
    if value is None:
        return "nothing"
    names: Mapping[type, str] = {tf.SparseTensor: "a sparse tensor", tf.RaggedTensor: "a ragged tensor"}
    return names.get(type(value), f"a {type(value).__name__}")


def last_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    noise = ("Arguments received", "•", "Call arguments", "File ", "in user code")
    own = [line for line in lines if not line.startswith(noise)]
    return next(reversed(own), type(error).__name__)
