"""The graphs of one signature of a SavedModel, loaded by TensorFlow: in inference, and the ones for training."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import tensorflow as tf

from hubcheck.author.flat_graph import flatten
from hubcheck.author.sources.constant_inputs import ConstantInput
from hubcheck.author.sources.loaded_graph import REFERENCE_WRITES, REFERENCES, LoadedGraph
from hubcheck.author.writers.captures import captured_variables
from hubcheck.hub.backends import GraphBackend, load_v1_graph
from hubcheck.hub.spec import ModuleSpec
from hubcheck.module.proto import parse_collection
from hubcheck.module.types import Signature, Variant

_LOSSES = "regularization_losses"


class LoadedSignature(NamedTuple):
    """A graph, the full names of its outputs' tensors by key, and the names of the nodes that update variables."""

    graph: LoadedGraph
    outputs: dict[str, str]
    updates: tuple[str, ...]


class SignatureLoader:
    """Loads the graphs of a signature.

    Args:
        tags: the graph variant for inference.
        key: the input that takes the images.
        constants: the values of other inputs.
        beside: another signature of the same SavedModel, whose variables are shared.

    Attributes:
        images: the input that takes the images, as the signature declares it.
    """

    def __init__(
        self,
        spec: ModuleSpec,
        signature: Signature,
        tags: Iterable[str] | None,
        key: str,
        constants: Mapping[str, Any],
        beside: SignatureLoader | None = None,
    ) -> None:
        self.path, self.facts, self.signature = spec.path, spec.facts, signature
        tensor = signature.inputs[key]
        self.images = tf.TensorSpec(tensor.shape.dims, tf.as_dtype(tensor.dtype), key)
        self.variant = spec.variant(tags)
        self.is_object = spec.facts.format == "tf2-saved-model"
        self.loaded: Any = None
        self._key, self._constants = key, constants
        self._handles: dict[int, tf.Variable] = {}
        self._by_name: dict[str, tf.Variable] = {}
        self._references: dict[str, tf.Variable] = {}
        # A graph uses the lookup tables of its own object, which exist as long as that.
        self._alive: list[Any] = []
        if beside is not None:
            self.loaded, self._alive = beside.loaded, beside._alive
            self._handles, self._by_name, self._references = beside._handles, beside._by_name, beside._references

    def inference(self) -> LoadedSignature:
        """Return the graph of the signature.

        Raises:
            AuthorError: an input has no value, or one that does not fit.
        """
        if not self.is_object:
            return self._of_variant(self.variant)
        if self.loaded is None:
            self.loaded = tf.saved_model.load(str(self.path), tags=list(self.variant.tags))
        function = self.loaded.signatures[self.signature.key]
        keys = list(function._arg_keywords)
        return self._loaded_signature(function, self.signature, keys)

    def training_variant(self, variant: Variant) -> tuple[LoadedSignature, list[Callable[[], Any]]]:
        """Return the same signature's graph in another variant, and the regularization losses of that variant."""
        graph = self._of_variant(variant, updates=True)
        nodes = variant.collections.get(_LOSSES)
        pruned = [self._alive[-1].prune([], name) for name in (nodes.node_list.value if nodes is not None else ())]
        losses: list[Callable[[], Any]] = []
        for function in pruned:
            self._add_variables(function)
            flat = flatten(function)
            part = LoadedGraph(flat, "", {}, self._handles, self._references)
            variables = captured_variables(function)
            losses.append(partial(_run_loss, part, flat.outputs, [self._by_name[one.name] for one in variables]))
        return graph, losses

    def trace(self, function: Any, training: bool) -> Any:
        """Return a function of the loaded object for images, with this value of `training` and the constants.

        Raises:
            Exception: it was not traced for that.
        """
        args, kwargs = self._structure(function) if len(self.signature.inputs) > 1 else ((self.images,), {})

        def call(images: Any) -> Any:
            values = self.inputs(images)
            given, named = tf.nest.map_structure(lambda spec: values[spec.name], (args, kwargs))
            return function(*given, **named, training=training)

        return tf.function(call, autograph=False).get_concrete_function(self.images)

    def inputs(self, images: Any) -> dict[str, Any]:
        """Return what every input of the signature gets for images."""
        others = (name for name in self.signature.inputs if name != self._key)
        return {self._key: images} | {name: self._constant(name).for_batch(tf.shape(images)[0]) for name in others}

    def _constant(self, name: str) -> ConstantInput:
        tensor = self.signature.inputs[name]
        return ConstantInput(name, tensor.dtype, tensor.shape, self._constants)

    def _structure(self, function: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments of a trace of a loaded function that are tensors, if it takes those of the signature.

        Raises:
            LookupError: no trace does.
        """
        for trace in getattr(function, "concrete_functions", None) or function.__call__.concrete_functions:
            args, kwargs = trace.structured_input_signature
            args = tuple(one for one in args if _names(one))
            kwargs = {name: one for name, one in kwargs.items() if _names(one)}
            if sorted(_names((args, kwargs))) == sorted(self.signature.inputs):
                return args, kwargs
        raise LookupError(self.signature.key)

    def training_trace(self, trace: Any, outputs: Mapping[str, int]) -> tuple[LoadedSignature, list[Callable[[], Any]]]:
        """Return a trace's graph, and the regularization losses of the loaded object.

        Args:
            outputs: the positions of the signature's outputs in the flat result.
        """
        self._add_variables(trace)
        flat = flatten(trace, keep_gradients=True)
        names = tf.nest.flatten(flat.outputs)
        graph = LoadedGraph(flat, flat.inputs[0], {}, self._handles, self._references)
        found = LoadedSignature(graph, {key: names[index] for key, index in outputs.items()}, flat.updates)
        losses: list[Callable[[], Any]] = []
        for loss in getattr(self.loaded, _LOSSES, None) or ():
            captured = {id(tensor) for tensor in tf.function(loss).get_concrete_function().captured_inputs}
            losses.append(partial(_call_loss, loss, [self._handles[one] for one in captured & self._handles.keys()]))
        return found, losses

    def _of_variant(self, variant: Variant, *, updates: bool = False) -> LoadedSignature:
        """Return the signature's graph in a variant of a format of TensorFlow 1."""
        signature = variant.signatures[self.signature.key]
        with _without_reference_warnings():
            loaded = load_v1_graph(self.path, variant.tags)
        self._alive.append(loaded)
        graph = loaded.graph
        feeds = {name: tensor.components[0] for name, tensor in signature.inputs.items() if tensor.components}
        keys = [
            name
            for name, tensor in feeds.items()
            if name == self._key or name in self._constants or graph.get_tensor_by_name(tensor).op.type == "Placeholder"
        ]
        fed = [feeds[name] for name in keys]
        outputs = {key: tensor.components[0] for key, tensor in signature.outputs.items()}
        operations = list(GraphBackend(loaded, variant, updates=True).updates_of(fed)) if updates else []
        with _without_reference_warnings():
            function = loaded.prune(fed, (outputs, operations))
        return self._loaded_signature(function, signature, keys)

    def _loaded_signature(self, function: Any, signature: Signature, keys: Sequence[str]) -> LoadedSignature:
        self._add_variables(function)
        flat = flatten(function, keep_gradients=self.is_object)
        names = dict(zip(keys, flat.inputs, strict=True))
        images = names.pop(self._key)
        constants = {tensor: self._constant(name) for name, tensor in names.items()}
        self._create_references(node.name for node in flat.graph_def.node if node.op in REFERENCES)
        writes = (node.name for node in flat.graph_def.node if node.op in REFERENCE_WRITES)
        graph = LoadedGraph(flat, images, constants, self._handles, self._references)
        outputs = flat.outputs if self.is_object else flat.outputs[0]
        return LoadedSignature(graph, dict(outputs), (*flat.updates, *writes))

    def _add_variables(self, function: Any) -> None:
        """Remember which variables a function captures; those of another variant are the same by their names."""
        variables = [*function.graph.variables, *(getattr(self.loaded, "variables", None) or ())]
        for variable in variables:
            known = variable if self.is_object else self._by_name.setdefault(variable.name, variable)
            self._handles[id(variable.handle)] = known

    def _create_references(self, names: Iterable[str]) -> None:
        """Create a variable for each reference variable, which old TF1 graphs keep in themselves."""
        wanted = [name for name in names if name not in self._references]
        if wanted:
            checkpoint = tf.train.load_checkpoint(str(self.path / "variables" / "variables"))
            trainable = self._trainable()
            self._references |= {
                name: tf.Variable(checkpoint.get_tensor(name), name=name, trainable=not trainable or name in trainable)
                for name in wanted
            }

    def _trainable(self) -> set[str]:
        """Return the names of the variables that the graphs declare as trainable; none if they declare nothing."""
        declared = (
            definition
            for variant in self.facts.variants
            for definition in parse_collection(variant.collections, "trainable_variables", "VariableDef")
        )
        return {one.variable_name.partition(":")[0] for one in declared if one is not None}


def _names(structure: Any) -> list[str]:
    return [one.name for one in tf.nest.flatten(structure) if isinstance(one, tf.TensorSpec)]


def _call_loss(loss: Callable[[], Any], variables: Sequence[tf.Variable]) -> Any:
    """Return a loss; `captures.regularizers` finds the variables of the partial function."""
    return loss()


def _run_loss(graph: LoadedGraph, tensor: str, variables: Sequence[tf.Variable]) -> Any:
    return graph.run(None, [tensor])[0]


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
