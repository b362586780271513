"""A signature of a SavedModel as a flat graph that can be cut and imported into another."""

from __future__ import annotations

import logging
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import tensorflow as tf

from hubcheck.author.errors import AuthorError, suggestion
from hubcheck.author.flat_graph import flatten, full_name, import_nodes
from hubcheck.author.sources.constant_inputs import ConstantInput
from hubcheck.author.sources.cut_network import OutputKey
from hubcheck.author.sources.loaded_gradients import LoadedGradients
from hubcheck.hub.backends import load_v1_graph
from hubcheck.hub.spec import ModuleSpec
from hubcheck.module.types import Signature

_PROBABILITIES = {"Softmax": "softmax", "LogSoftmax": "log_softmax", "Sigmoid": "sigmoid"}
_SAME_SCORES = {"Identity", "Reshape", "Squeeze", "Cast", "StopGradient", "EnsureShape", "IdentityN"}
_REF_VARIABLES = frozenset({"VariableV2", "Variable"})


class SavedModelGraph:
    """The graph of a signature; outputs are its outputs, or any tensor of the graph by its name.

    Args:
        key: the input that takes the images.
        constants: the values of other inputs.

    Raises:
        AuthorError: an input has no value, or one that does not fit.
    """

    kind = "output"
    cast: Container[str] = ("float16", "bfloat16", "float64")

    def __init__(
        self,
        spec: ModuleSpec,
        signature: Signature,
        tags: Iterable[str] | None,
        key: str,
        constants: Mapping[str, Any],
    ) -> None:
        self._path = spec.path
        self._dtype = tf.as_dtype(signature.inputs[key].dtype)
        variant = spec.variant(tags)
        if spec.facts.format == "tf2-saved-model":
            self._loaded: Any = tf.saved_model.load(str(spec.path), tags=list(variant.tags))
            function = self._loaded.signatures[signature.key]
            keys = list(function._arg_keywords)
            self._flat = flatten(function, keep_gradients=True)
            self._outputs: dict[str, str] = dict(self._flat.outputs)
        else:
            with _without_reference_warnings():
                self._loaded = load_v1_graph(spec.path, variant.tags)
            graph = self._loaded.graph
            feeds = {name: tensor.components[0] for name, tensor in signature.inputs.items() if tensor.components}
            keys = [
                name
                for name, tensor in feeds.items()
                if name == key or name in constants or graph.get_tensor_by_name(tensor).op.type == "Placeholder"
            ]
            fetches = [tensor.components[0] for tensor in signature.outputs.values()]
            with _without_reference_warnings():
                function = self._loaded.prune([feeds[name] for name in keys], fetches)
            self._flat = flatten(function)
            self._outputs = dict(zip(signature.outputs, self._flat.outputs, strict=True))
        names = dict(zip(keys, self._flat.inputs, strict=True))
        self._images = names.pop(key)
        self._constants = {
            tensor: ConstantInput(name, signature.inputs[name].dtype, signature.inputs[name].shape, constants)
            for name, tensor in names.items()
        }
        self._graph_def = self._flat.graph_def
        self._replaced: dict[str, str] = {}
        self._variables = self._created_variables()
        restored = [*function.graph.variables, *(getattr(self._loaded, "variables", None) or ())]
        self._handles = {id(variable.handle): variable for variable in restored}

    def names(self) -> list[str]:
        """Return the keys of the outputs, and the names of the graph's nodes."""
        return [*self._outputs, *(node.name for node in self._graph_def.node)]

    def hidden(self, name: str) -> str:
        """Return the full name of the tensor that is an output, or that has this name."""
        if name in self._outputs:
            return self._outputs[name]
        node = name.partition(":")[0]
        if any(other.name == node for other in self._graph_def.node):
            return full_name(name)
        hint = suggestion(name, self._outputs)
        raise AuthorError(f"the SavedModel {self._path.name!r} has no output {name!r}{hint}")

    features = hidden

    def logits(self, name: str) -> tuple[str, str | None]:
        """Return the tensor before the softmax or sigmoid that ends it, and the name of that activation."""
        tensor = self.hidden(name)
        nodes = {node.name: node for node in self._graph_def.node}
        current = tensor
        while (node := nodes.get(current.partition(":")[0])) is not None:
            if node.op in _PROBABILITIES:
                self._bypass(node)
                return tensor, _PROBABILITIES[node.op]
            if node.op not in _SAME_SCORES:
                break
            current = node.input[int(full_name(current).rpartition(":")[2]) if node.op == "IdentityN" else 0]
        return tensor, None

    def run(self, images: Any, training: bool, outputs: Mapping[OutputKey, str]) -> dict[OutputKey, Any]:
        """Import the graph into the function that is being traced, and return the values of the outputs."""
        if self._dtype.is_integer:
            images = tf.round(images)
        graph = tf.compat.v1.get_default_graph()
        feeds = {self._images: tf.cast(images, self._dtype)}
        feeds |= {name: constant.for_batch(tf.shape(images)[0]) for name, constant in self._constants.items()}
        for name, external in self._flat.captures.items():
            feeds[name] = graph.capture(external)
            if id(external) in self._handles:
                graph.watch_variable(self._handles[id(external)])
        feeds |= {name: variable.read_value() for name, variable in self._variables.items()}
        fetches = [self._replaced.get(name, name) for name in outputs.values()]
        needed = self._needed(fetches, feeds)
        part = tf.compat.v1.GraphDef(versions=self._graph_def.versions, library=self._graph_def.library)
        part.node.extend(node for node in self._graph_def.node if node.name in needed)
        gradients = LoadedGradients(part)
        values = import_nodes(gradients.graph_def, needed, feeds, [*fetches, *gradients.fetches])
        gradients.bind(values[len(fetches) :])
        return dict(zip(outputs, values[: len(fetches)], strict=True))

    def _bypass(self, removed: Any) -> None:
        """Let the nodes that use the only output of a node use its only input instead."""
        self._replaced[full_name(removed.name)] = full_name(removed.input[0])
        graph_def = tf.compat.v1.GraphDef()
        graph_def.CopyFrom(self._graph_def)
        for node in graph_def.node:
            node.input[:] = [self._replaced.get(full_name(name), name) for name in node.input]
        self._graph_def = graph_def

    def _needed(self, fetches: Iterable[str], feeds: Mapping[str, Any]) -> set[str]:
        """Return the names of the nodes that the fetched tensors depend on, up to the fed tensors."""
        nodes = {node.name: node for node in self._graph_def.node}
        seen: set[str] = set()
        stack = [name.partition(":")[0] for name in fetches if name not in feeds]
        while stack:
            name = stack.pop()
            if name not in seen and name in nodes:
                seen.add(name)
                inputs = (other for other in nodes[name].input if full_name(other) not in feeds)
                stack.extend(other.removeprefix("^").partition(":")[0] for other in inputs)
        return seen - {name.partition(":")[0] for name in feeds}

    def _created_variables(self) -> dict[str, tf.Variable]:
        """Return a variable for each ref variable, which old TF1 graphs keep in themselves, by its tensor's name."""
        names = [node.name for node in self._graph_def.node if node.op in _REF_VARIABLES]
        if not names:
            return {}
        checkpoint = tf.train.load_checkpoint(str(self._path / "variables" / "variables"))
        return {f"{name}:0": tf.Variable(checkpoint.get_tensor(name), name=name) for name in names}


@contextmanager
def _without_reference_warnings() -> Iterator[None]:
    """Suppress TensorFlow's warning of each reference variable: they become resource variables here."""

    def keep(record: logging.LogRecord) -> bool:
        return "is a reference variable" not in record.getMessage()

    logger = tf.get_logger()
    logger.addFilter(keep)
    try:
        yield
    finally:
        logger.removeFilter(keep)
