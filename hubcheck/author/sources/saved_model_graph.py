"""A signature of a SavedModel as a network that can be cut, with its training graph where the SavedModel has one."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Container, Mapping
from typing import Any, NamedTuple

import tensorflow as tf

from hubcheck.author.errors import AuthorError, AuthorWarning, suggestion
from hubcheck.author.flat_graph import full_name
from hubcheck.author.sources.cut_network import OutputKey
from hubcheck.author.sources.loaded_graph import LoadedGraph
from hubcheck.author.sources.loaded_signature import SignatureLoader
from hubcheck.author.sources.training_graph import NONE, NoTrainingGraph, TrainingGraph, find_training_graph

_PROBABILITIES = {"Softmax": "softmax", "LogSoftmax": "log_softmax", "Sigmoid": "sigmoid"}
_SAME_SCORES = {"Identity", "Reshape", "Squeeze", "Cast", "StopGradient", "EnsureShape", "IdentityN"}


class _Output(NamedTuple):
    """The full names of a tensor in the graph for inference and in that for training, None where that has none."""

    inference: str
    training: str | None


class SavedModelGraph:
    """The graph of a signature; outputs are its outputs, or any tensor of the graph by its name.

    Args:
        loader: the signature.
        image_size: height and width of the module's images.
        beside: the graph of another signature that runs with this one: variables that it updates are updated once.

    Raises:
        AuthorError: an input has no value, or one that does not fit.
    """

    kind = "output"
    cast: Container[str] = ("float16", "bfloat16", "float64")

    def __init__(
        self, loader: SignatureLoader, image_size: tuple[int, int], beside: SavedModelGraph | None = None
    ) -> None:
        self.loader, self._beside = loader, beside
        self._inference = loader.inference()
        self._training: TrainingGraph | None = None
        self._why_not = ""
        try:
            self._training = find_training_graph(loader, self._inference, image_size)
        except NoTrainingGraph as reason:
            self._why_not = str(reason)
            if self._why_not != NONE:
                warnings.warn(f"{self.note()}", AuthorWarning, stacklevel=3)

    @property
    def _callable_losses(self) -> list[Callable[[], Any]]:
        """The SavedModel's regularization losses, where `captures.regularizers` looks for them."""
        return [] if self._training is None else self._training.losses

    def names(self) -> list[str]:
        """Return the keys of the outputs, and the names of the graph's nodes."""
        return [*self._inference.outputs, *self._inference.graph.nodes]

    def hidden(self, name: str) -> _Output:
        """Return the tensor that is an output, or that has this name."""
        return self._output(name, lambda training, tensor: training.tensor(tensor))

    def features(self, name: str) -> _Output:
        """Return the same, in training without dropout on it."""
        return self._output(name, lambda training, tensor: training.without_dropout(training.tensor(tensor)))

    def logits(self, name: str) -> tuple[_Output, str | None]:
        """Return the tensor before the softmax or sigmoid that ends it, and the name of that activation."""
        activation = _remove_activation(self._inference.graph, self._tensor(name))

        def in_training(training: TrainingGraph, tensor: str) -> str:
            found = training.tensor(tensor)
            _remove_activation(training.graph, found)
            return training.without_dropout(found)

        return self._output(name, in_training), activation

    def note(self) -> str | None:
        """Return a sentence about what training does not do; None if it is as in the SavedModel."""
        return f"Training computes the same as inference: {self._why_not}." if self._training is None else None

    def run(self, images: Any, training: bool, outputs: Mapping[OutputKey, _Output]) -> dict[OutputKey, Any]:
        """Import the graph into the function that is being traced, and return the values of the outputs."""
        graph = self._inference.graph
        dtype = self.loader.images.dtype
        images = tf.cast(tf.round(images) if dtype.is_integer else images, dtype)
        tensors, updates = [output.inference for output in outputs.values()], list[str]()
        if training and self._training is not None:
            # The variables of the part of the network that is used: not those of layers behind it.
            used = graph.variables(graph.needed(tensors))
            tensors = [output.training for output in outputs.values() if output.training is not None]
            graph = self._training.graph
            others = self._beside.updated() if self._beside is not None else set()
            updates = [
                name for name in self._training.updates_of(used, tensors) if not graph.variables([name]) & others
            ]
        return dict(zip(outputs, graph.run(images, tensors, updates), strict=True))

    def updated(self) -> set[int]:
        """Return the ids of the variables that training updates."""
        training = self._training
        return training.graph.variables(training.updates) if training is not None else set()

    def _tensor(self, name: str) -> str:
        """Return the full name of the tensor in inference."""
        if name in self._inference.outputs:
            return self._inference.outputs[name]
        if name.partition(":")[0] in self._inference.graph.nodes:
            return full_name(name)
        hint = suggestion(name, self._inference.outputs)
        raise AuthorError(f"the SavedModel {self.loader.path.name!r} has no output {name!r}{hint}")

    def _output(self, name: str, in_training: Callable[[TrainingGraph, str], str]) -> _Output:
        tensor, other = self._tensor(name), None
        if self._training is not None:
            try:
                other = in_training(self._training, tensor)
            except NoTrainingGraph as reason:
                self._training, self._why_not = None, str(reason).format(name)
                warnings.warn(f"{self.note()}", AuthorWarning, stacklevel=5)
        return _Output(tensor, other)


def _remove_activation(graph: LoadedGraph, tensor: str) -> str | None:
    """Let everything use the scores before the softmax or sigmoid that ends a tensor; return its name."""
    current = graph.resolved(tensor)
    while (node := graph.nodes.get(current.partition(":")[0])) is not None:
        if node.op in _PROBABILITIES:
            graph.replace(full_name(node.name), full_name(node.input[0]))
            return _PROBABILITIES[node.op]
        if node.op not in _SAME_SCORES:
            break
        current = full_name(node.input[int(current.rpartition(":")[2]) if node.op == "IdentityN" else 0])
    return None
