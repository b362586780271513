"""Gradients of tf.custom_gradient of a loaded SavedModel, for a graph that its nodes are imported into.

A gradient that was loaded uses tensors of the loaded function, such as the argument that it was called with. In another
graph it needs the tensors that were imported instead.
"""

from __future__ import annotations

import inspect
import warnings
from typing import Any

import tensorflow as tf
from tensorflow.python.framework import ops
from tensorflow.python.ops import custom_gradient

from hubcheck.author.errors import AuthorWarning
from hubcheck.author.flat_graph import all_nodes, full_name


class LoadedGradients:
    """The custom gradients of a flat graph of a loaded function.

    Attributes:
        graph_def: the graph with gradients of its own.
        fetches: the tensors that these gradients use, to be given to `bind` once they are imported.
    """

    def __init__(self, graph_def: Any) -> None:
        self.graph_def = tf.compat.v1.GraphDef()
        self.graph_def.CopyFrom(graph_def)
        self._bound: dict[str, Any] = {}
        self.fetches: list[str] = []
        for index, node in enumerate(all_nodes(self.graph_def)):
            gradient_type = node.attr["_gradient_op_type"].s.decode() if "_gradient_op_type" in node.attr else ""
            # Nodes in functions, the branches of conditionals, come last; they are not imported one by one.
            flat = index < len(self.graph_def.node)
            if gradient_type.startswith("CustomGradient-") and not self._keep(node, gradient_type, flat):
                node.attr.pop("_gradient_op_type")
                message = f"the gradient of tf.custom_gradient at {node.name} cannot be kept: the plain one is used"
                warnings.warn(message, AuthorWarning, stacklevel=5)

    def bind(self, tensors: list[tf.Tensor]) -> None:
        """Let the gradients use these tensors, one for each of `fetches`."""
        self._bound.update(zip(self.fetches, tensors, strict=True))

    def _keep(self, node: Any, gradient_type: str, flat: bool) -> bool:
        """Give a node a gradient that uses tensors of the new graph; return whether that is possible."""
        try:
            gradient = ops.gradient_registry.lookup(gradient_type)
        except LookupError:  # saved without its custom gradients
            return False
        function: Any = inspect.getclosurevars(gradient).nonlocals.get("func")
        captured = list(function.captured_inputs) if hasattr(function, "captured_inputs") else []
        inner = {
            index: tensor
            for index, tensor in enumerate(captured)
            if not hasattr(tensor, "numpy") and getattr(tensor, "graph", None) is not None
        }
        if not inner:
            return True
        names = {index: _imported_name(node, tensor, gradient_type) for index, tensor in inner.items()}
        if not flat or None in names.values():
            return False
        known = {index: name for index, name in names.items() if name is not None}
        self.fetches += [name for name in known.values() if name not in self.fetches]

        def bound(op: Any, *upstream: Any) -> Any:
            tensors = [self._bound[known[i]] if i in known else tensor for i, tensor in enumerate(captured)]
            function.set_external_captures(tensors)
            try:
                return gradient(op, *upstream)
            finally:
                function.set_external_captures(captured)

        name = custom_gradient.generate_name()
        ops.RegisterGradient(name)(bound)
        node.attr["_gradient_op_type"].s = name.encode()
        return True


def _imported_name(node: Any, tensor: Any, gradient_type: str) -> str | None:
    """Return the name in the flat graph of a tensor of the loaded function, None if it cannot be found.

    The inputs of the node are the function's results, then its arguments, as they are in the loaded function.
    """
    for op in tensor.graph.get_operations():
        if op.type == node.op and _gradient_type(op) == gradient_type and node.name.endswith(op.name):
            for index, original in enumerate(op.inputs):
                if original.name == tensor.name:
                    return full_name(node.input[index])
    return None


def _gradient_type(op: Any) -> str:
    try:
        return str(op.get_attr("_gradient_op_type").decode())
    except ValueError:
        return ""
