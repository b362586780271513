"""From the publisher's functions to traced ones, held against the contract before anything is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import tensorflow as tf

from hubcheck.author.builder import CLASSES, FEATURES, ImageModule, Outputs, Task, hidden_key
from hubcheck.author.errors import AuthorError
from hubcheck.contract import TensorContract, load_contracts
from hubcheck.module.types import Shape

WRITES = frozenset({"AssignVariableOp", "AssignAddVariableOp", "AssignSubVariableOp"})
"""The ops by which a function changes a variable as a whole."""

Results = dict[str, dict[str, tf.Tensor]]


@dataclass
class Program:
    """The module's functions, traced on demand.

    `default` is the primary task's signature.
    """

    module: ImageModule
    default: str
    _functions: dict[Any, Any] = field(default_factory=dict)

    @property
    def images(self) -> tf.TensorSpec:
        """What the contract says of the input, with this module's image size."""
        (contract,) = load_contracts()[self.default].inputs.values()
        return tf.TensorSpec(_dims(contract, self.module), contract.dtype, contract.key)

    def call(self, training: bool) -> Any:
        """The primary task alone: images to one tensor."""
        return self._trace(("call", training), training, (self.default,))

    def signature(self, name: str) -> Any:
        """One task in inference: images to all its outputs, {key: tensor}."""
        return self._trace(("signature", name), False, (name,))

    def variant(self, training: bool) -> Any:
        """All tasks at once: images to {signature: {key: tensor}}."""
        return self._trace(("variant", training), training, tuple(self.module.tasks))

    def width(self, signature: str) -> int:
        """num_features or num_classes."""
        return int(self.call(False).structured_outputs.shape[1]) if signature == self.default else 0

    def _trace(self, key: tuple[str, Any], training: bool, names: tuple[str, ...]) -> Any:
        if key not in self._functions:
            self._functions[key] = _trace(self, key[0], training, names)
        return self._functions[key]


def _trace(program: Program, kind: str, training: bool, names: tuple[str, ...]) -> Any:
    mistakes: list[AuthorError] = []
    current: list[Task] = []
    check = _Check(program.module, mistakes)
    tasks = _needed(program.module, names)

    def compute(images: tf.Tensor) -> Any:
        results: Results = {}
        features = None
        for task in tasks:
            current.append(task)
            given = features if task.takes_features else images
            made = task.function(given, training=training) if task.takes_training else task.function(given)
            results[task.signature] = check.outputs(task, made)
            features = results[task.signature]["default"]
        if kind == "call":
            return results[names[0]]["default"]
        check.hidden(results)
        return results[names[0]] if kind == "signature" else {name: results[name] for name in names}

    try:
        traced = tf.function(compute).get_concrete_function(program.images)
    except Exception as error:
        if mistakes:
            raise mistakes[0] from None
        where = f"{current[-1].name} fails" if current else "the module fails"
        shape = Shape(tuple(program.images.shape))
        raise AuthorError(f"{where} on images {shape}{' in training' if training else ''}: {last_line(error)}") from error
    if not training:
        _unchanging(traced, tasks[-1])
    return traced


def _needed(module: ImageModule, names: tuple[str, ...]) -> list[Task]:
    """The tasks to compute for these signatures, features first."""
    feeds = any(module.tasks[name].takes_features for name in names)
    return [
        module.tasks[name]
        for name in (FEATURES, CLASSES)
        if name in module.tasks and (name in names or (name == FEATURES and feeds))
    ]


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

    @tf.autograph.experimental.do_not_convert
    def outputs(self, task: Task, made: Any) -> dict[str, tf.Tensor]:
        try:
            return _outputs(self.module, task, made)
        except AuthorError as error:
            self.mistakes.append(error)
            raise

    @tf.autograph.experimental.do_not_convert
    def hidden(self, results: Results) -> None:
        """Classification gives the hidden outputs of the features that it is computed from, too."""
        task = self.module.tasks.get(CLASSES)
        if task is not None and task.takes_features and CLASSES in results:
            for key, tensor in results[FEATURES].items():
                results[CLASSES].setdefault(key, tensor)


def _outputs(module: ImageModule, task: Task, made: Any) -> dict[str, tf.Tensor]:
    result = made if isinstance(made, Outputs) else Outputs(made)
    contract = load_contracts()[task.signature].outputs
    outputs = {"default": _held(result.default, contract["default"], task, "default")}
    classes = len(task.classes)
    width = outputs["default"].shape[1]
    if classes and classes != width:
        raise AuthorError(
            f"{task.name} returns logits for {width} classes, but {classes} class names are given: they must be as many",
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
            f"{says} a NumPy array, a constant: compute the result from the images with TensorFlow", "behaviour/informative"
        )
    if not isinstance(value, tf.Tensor):
        hint = "; hidden outputs go into author.Outputs(default, hidden={...})" if isinstance(value, dict | tuple) else ""
        raise AuthorError(f"{says} {_kind(value)}: it must return a dense tensor, {contract}{hint}", f"output/{'dense'}")
    found = f"{value.dtype.name} {Shape(None if value.shape.rank is None else tuple(value.shape))}"
    if value.dtype != contract.dtype:
        raise AuthorError(
            f"{says} {found}: it must be {contract.dtype}; convert it with tf.cast(x, tf.{contract.dtype})", "output/dtype"
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
                f"{says} {found}: the {want} must be a constant; fix it with tf.ensure_shape(x, [None, n])", "output/width"
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
    own = [line for line in lines if not line.startswith(("Arguments received", "•", "Call arguments", "File ", "In user code"))]
    return next(reversed(own), type(error).__name__)
