"""A flat graph of a SavedModel that can be cut and imported into another graph."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Any

import tensorflow as tf

from hubcheck.author.flat_graph import FlatGraph, all_nodes, full_name, import_nodes
from hubcheck.author.sources.constant_inputs import ConstantInput
from hubcheck.author.sources.loaded_gradients import LoadedGradients

REFERENCES = frozenset({"VariableV2", "Variable"})
"""Ops of variables that old graphs of TensorFlow 1 keep in themselves."""
REFERENCE_WRITES = {"Assign": "assign", "AssignAdd": "assign_add", "AssignSub": "assign_sub"}
_MAX_OUTPUTS = 8
"""Of a node that treats entries one by one; a split has more, and then the copy is not found to be without dropout."""


class LoadedGraph:
    """A flat graph with what it takes from the SavedModel.

    Args:
        flat: the graph.
        images: the name of the tensor that takes the images.
        constants: the values of other inputs, by the names of their tensors.
        handles: the variables by the ids of the handles that the graph captures.
        references: the variables that take the places of reference variables, by the names of their nodes.
    """

    def __init__(
        self,
        flat: FlatGraph,
        images: str,
        constants: Mapping[str, ConstantInput],
        handles: Mapping[int, tf.Variable],
        references: Mapping[str, tf.Variable],
    ) -> None:
        self.images = images
        self._captures = flat.captures
        self._constants, self._handles, self._references = constants, handles, references
        self._fed = {images, *constants, *flat.captures, *(f"{name}:0" for name in references)}
        self._replaced: dict[str, str] = {}
        for node in all_nodes(flat.graph_def):
            node.device = ""  # a consumer may lack the device
        self._set(flat.graph_def)

    def replace(self, tensor: str, other: str) -> None:
        """Let everything use another tensor instead of one of the graph; both are full names."""
        other = self._replaced.get(other, other)
        self._replaced = {old: other if new == tensor else new for old, new in self._replaced.items()} | {tensor: other}
        graph_def = tf.compat.v1.GraphDef()
        graph_def.CopyFrom(self.graph_def)
        for node in graph_def.node:
            node.input[:] = [self._replaced.get(full_name(name), name) for name in node.input]
        self._set(graph_def)

    def copy(self, tensor: str, replaced: Mapping[str, str], suffix: str) -> str:
        """Return a tensor as it is if others are used instead of some; all are full names.

        The nodes that change are copied under names with a suffix, so that everything else stays as it is.
        """
        graph_def = tf.compat.v1.GraphDef()
        graph_def.CopyFrom(self.graph_def)
        changed = {name: self.resolved(other) for name, other in replaced.items()}
        for name in self._sorted(self.needed([tensor])):
            node = self.nodes[name]
            inputs = [changed.get(full_name(other), other) for other in node.input]
            if inputs != list(node.input):
                copied = graph_def.node.add()
                copied.CopyFrom(node)
                copied.name = f"{name}{suffix}"
                copied.input[:] = inputs
                outputs = [f"{name}:{number}" for number in range(_MAX_OUTPUTS)]
                changed |= {one: one.replace(name, copied.name, 1) for one in outputs if one not in changed}
        self._set(graph_def)
        return changed.get(self.resolved(tensor), self.resolved(tensor))

    def with_shapes(self) -> Any:
        """Return the GraphDef with the static shapes of all tensors."""
        return self._imported().as_graph_def(add_shapes=True)

    def shape(self, tensor: str) -> tf.TensorShape:
        """Return the static shape of a tensor."""
        return self._imported().get_tensor_by_name(self.resolved(tensor)).shape

    def resolved(self, tensor: str) -> str:
        """Return the tensor that replaces one, or the same."""
        return self._replaced.get(full_name(tensor), full_name(tensor))

    def needed(self, tensors: Iterable[str]) -> set[str]:
        """Return the names of the nodes that tensors or operations depend on, up to what is fed."""
        seen: set[str] = set()
        stack = [name.partition(":")[0] for name in map(self.resolved, tensors) if name not in self._fed]
        while stack:
            name = stack.pop()
            if name not in seen and name in self.nodes:
                seen.add(name)
                inputs = (other for other in self.nodes[name].input if full_name(other) not in self._fed)
                stack.extend(other.removeprefix("^").partition(":")[0] for other in inputs)
        return seen - {name.partition(":")[0] for name in self._fed}

    def variables(self, nodes: Iterable[str]) -> set[int]:
        """Return the ids of the variables that nodes read or write, to be given to `is_trainable`."""
        names = {full_name(name) for node in nodes for name in self.nodes[node].input}
        captured = (self._handles.get(id(self._captures[name])) for name in names & self._captures.keys())
        references = (self._references.get(name.partition(":")[0]) for name in names)
        return {id(variable) for variable in (*captured, *references) if variable is not None}

    def is_trainable(self, variable: int) -> bool:
        """Return whether a variable, by its id, is trainable."""
        known = (*self._handles.values(), *self._references.values())
        return any(id(one) == variable and one.trainable for one in known)

    def run(self, images: Any, tensors: Iterable[str], updates: Iterable[str] = ()) -> list[Any]:
        """Import the graph into the function that is being traced; return the values of tensors.

        Args:
            images: the value of the images, in the dtype of their input; None for a graph without images.
            tensors: full names.
            updates: the names of the nodes that update variables, to be run too.
        """
        updates = list(updates)
        writes = [self.nodes[name] for name in updates if self.nodes[name].op in REFERENCE_WRITES]
        fetches = [
            *map(self.resolved, tensors),
            *(full_name(node.input[1]) for node in writes),
            *(name for name in updates if self.nodes[name] not in writes),
        ]
        needed = self.needed(fetches)
        part = tf.compat.v1.GraphDef(versions=self.graph_def.versions, library=self.graph_def.library)
        part.node.extend(node for node in self.graph_def.node if node.name in needed)
        feeds = self._feeds(images, {*fetches, *(full_name(name) for node in part.node for name in node.input)})
        gradients = LoadedGradients(part)
        values = import_nodes(gradients.graph_def, needed, feeds, [*fetches, *gradients.fetches])
        gradients.bind(values[len(fetches) :])
        results = values[: len(fetches)]
        count = len(results) - len(updates)
        for node, value in zip(writes, results[count:], strict=False):
            variable = self._references[node.input[0].partition(":")[0]]
            getattr(variable, REFERENCE_WRITES[node.op])(value)
        return results[:count]

    def _feeds(self, images: Any, used: Container[str]) -> dict[str, Any]:
        """Return the values of the tensors that the graph takes from elsewhere, as far as they are used."""
        graph = tf.compat.v1.get_default_graph()
        feeds = {} if images is None else {self.images: images}
        for name, constant in self._constants.items():
            if name in used:
                feeds[name] = constant.for_batch(tf.shape(images)[0])
        for name, external in self._captures.items():
            if name in used:
                variable = self._handles.get(id(external))
                feeds[name] = graph.capture(external if variable is None else variable.handle)
                if variable is not None:
                    graph.watch_variable(variable)
        for name, variable in self._references.items():
            if f"{name}:0" in used:
                feeds[f"{name}:0"] = variable.read_value()
        return feeds

    def _set(self, graph_def: Any) -> None:
        self.graph_def = graph_def
        self.nodes: dict[str, Any] = {node.name: node for node in graph_def.node}
        self._shapes: tf.Graph | None = None

    def _imported(self) -> tf.Graph:
        if self._shapes is None:
            self._shapes = tf.Graph()
            with self._shapes.as_default():
                tf.graph_util.import_graph_def(self.graph_def, name="")
        return self._shapes

    def _sorted(self, names: Container[str]) -> list[str]:
        """Return the nodes of these names, each after those that it uses, as far as there are no loops."""
        ordered: dict[str, None] = {}
        for start in self.nodes:
            stack = [(start, False)]
            entered = set[str]()
            while stack:
                name, done = stack.pop()
                if done:
                    ordered[name] = None
                elif name in names and name in self.nodes and name not in ordered and name not in entered:
                    entered.add(name)
                    stack.append((name, True))
                    stack += [(other.removeprefix("^").partition(":")[0], False) for other in self.nodes[name].input]
        return list(ordered)
