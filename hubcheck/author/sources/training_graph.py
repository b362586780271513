"""The graph of a SavedModel for training, and which of its tensors are those of the graph for inference."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from hubcheck.author.sources.loaded_signature import LoadedSignature, SignatureLoader
from hubcheck.author.sources.output_dropout import without_dropout
from hubcheck.hub.spec import TRAIN

_CALL = re.compile(r"(Stateful)?PartitionedCall(_\d+)?/")
NONE = "the SavedModel has no graph for training"
_TOLERANCE = 1e-4
_ANY_SIZE = 2
"""Of a dimension that is not fixed, such as the batch, for a comparison."""


class NoTrainingGraph(Exception):
    """Training must be as inference; the message says why, with "{}" for the name of an output."""


class TrainingGraph:
    """A signature's graph for training.

    Args:
        loaded: the graph; its outputs are those of the signature that it has.
        inference: the signature's graph for inference.
        losses: functions without arguments, the regularization losses.
    """

    def __init__(self, loaded: LoadedSignature, inference: LoadedSignature, losses: list[Callable[[], Any]]) -> None:
        self.graph, self.updates, self.losses = loaded.graph, loaded.updates, losses
        self._inference = inference.graph
        self._outputs = {inference.outputs[key]: tensor for key, tensor in loaded.outputs.items()}

    def tensor(self, name: str) -> str:
        """Return the tensor that computes in training what this one does in inference; full names.

        Raises:
            NoTrainingGraph: there is none, or it cannot be told which it is.
        """
        if name in self._outputs:
            return self._outputs[name]
        source = self._see_through(self._inference.resolved(name))
        node, _, number = source.partition(":")
        wanted, op = _CALL.sub("", node), self._inference.nodes[node].op
        candidates = [f"{other.name}:{number}" for other in self.graph.nodes.values() if other.op == op]
        named = [tensor for tensor in candidates if _same_scope(_CALL.sub("", tensor.partition(":")[0]), wanted)]
        found = [tensor for tensor in named if self._is_same(tensor, source)]
        if len(found) != 1:
            raise NoTrainingGraph("it cannot be told which tensor of the SavedModel's graph for training is {!r}")
        return found[0]

    def without_dropout(self, name: str) -> str:
        """Return the tensor without dropout on it; dropout before the last layer that mixes entries stays.

        Raises:
            NoTrainingGraph: the dropout cannot be removed.
        """
        tensor = without_dropout(self.graph, name)
        if tensor is None:
            raise NoTrainingGraph("the dropout on {!r} in the SavedModel's graph for training cannot be removed")
        return tensor

    def updates_of(self, used: Collection[int], tensors: Sequence[str]) -> list[str]:
        """Return the updates of the variables that inference uses, by id, or that tensors depend on."""
        used = {*used, *self.graph.variables(self.graph.needed(tensors))}
        return [name for name in self.updates if self.graph.variables([name]) <= used]

    def _see_through(self, tensor: str) -> str:
        nodes = self._inference.nodes
        while (node := nodes[tensor.partition(":")[0]]).op == "Identity":
            tensor = self._inference.resolved(node.input[0])
        return tensor

    def _is_same(self, tensor: str, source: str) -> bool:
        """Return whether tensors have compatible shapes and are computed from the same trainable variables."""
        shapes = self.graph.shape(tensor), self._inference.shape(source)
        weights = [
            {key for key in graph.variables(graph.needed([name])) if graph.is_trainable(key)}
            for graph, name in ((self.graph, tensor), (self._inference, source))
        ]
        return weights[0] == weights[1] and shapes[0].is_compatible_with(shapes[1])


def find_training_graph(
    loader: SignatureLoader, inference: LoadedSignature, image_size: tuple[int, int]
) -> TrainingGraph:
    """Return the graph for training of a loaded signature.

    That is the variant of the tag "train" in the formats of TensorFlow 1, and the trace of the callable for
    training=True in TF2 SavedModels, if its trace for inference computes what the signature does.

    Raises:
        NoTrainingGraph: there is none.
    """
    if not loader.is_object:
        return _of_variant(loader, inference)
    traces = loader.facts.objects.traces if loader.facts.objects is not None else ()
    if not any(trace.training for trace in traces):
        raise NoTrainingGraph(NONE)
    name = loader.signature.key
    reason = f"the SavedModel's callable for training does not take the images of its signature {name!r}"
    for function in filter(callable, (getattr(loader.loaded, name, None), loader.loaded)):
        # Without a matching trace, or for images that the module refuses, TensorFlow raises one or another error.
        try:
            trace, still = (loader.trace(function, training) for training in (True, False))
            outputs = _positions(loader, still, image_size)
        except Exception:
            continue
        if outputs:
            loaded, losses = loader.training_trace(trace, outputs)
            return TrainingGraph(loaded, inference, losses)
        reason = f"the SavedModel's callable does not compute what its signature {name!r} does"
    raise NoTrainingGraph(reason)


def _of_variant(loader: SignatureLoader, inference: LoadedSignature) -> TrainingGraph:
    used = frozenset(loader.variant.tags)
    for variant in loader.facts.variants:
        tags = frozenset(variant.tags)
        if tags >= TRAIN and tags != used and loader.signature.key in variant.signatures:
            try:
                loaded, losses = loader.training_variant(variant)
            except (ValueError, KeyError) as error:
                raise NoTrainingGraph(f"the SavedModel's graph for training cannot be used: {error}") from error
            return TrainingGraph(loaded, inference, losses)
    raise NoTrainingGraph(NONE)


def _positions(loader: SignatureLoader, trace: Any, image_size: tuple[int, int]) -> dict[str, int]:
    """Return which result of a trace for inference each output of the signature is, as far as their values tell."""
    sizes = (None, *image_size, None)
    dims = [dim or size or _ANY_SIZE for dim, size in zip(loader.images.shape, sizes, strict=True)]
    values = np.random.default_rng(0).random(dims) * (255 if loader.images.dtype.is_integer else 1)
    images = tf.cast(values, loader.images.dtype)
    results = tf.nest.flatten(trace(images))
    found: dict[str, int] = {}
    for key, output in loader.loaded.signatures[loader.signature.key](**loader.inputs(images)).items():
        for index, result in enumerate(results):
            if index not in found.values() and _are_equal(output, result):
                found[key] = index
                break
    return found


def _are_equal(one: Any, other: Any) -> bool:
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    a, b = (np.asarray(tensor, np.float64) for tensor in (one, other))
    return bool(np.allclose(a, b, rtol=_TOLERANCE, atol=_TOLERANCE * float(np.max(np.abs(a), initial=0))))


def _same_scope(one: str, other: str) -> bool:
    """Return whether names of nodes are equal, apart from the scope of a model around one of them."""
    return one == other or one.endswith(f"/{other}") or other.endswith(f"/{one}")
