"""Remove dropout from the end of a graph for training, and leave the one inside."""

from __future__ import annotations

import math

from hubcheck.author.sources.loaded_graph import LoadedGraph
from hubcheck.graph.dataflow.dependence import Dependence
from hubcheck.graph.dataflow.frame import Value
from hubcheck.graph.dataflow.inlining import InlinedGraph
from hubcheck.graph.dataflow.view import GraphView
from hubcheck.graph.dropout.drop_rate import drop_rate
from hubcheck.graph.dropout.masks import Mask, masks
from hubcheck.graph.op_tables import elementwise as ew
from hubcheck.module.proto import parse

_SUFFIX = "/without_dropout"


def without_dropout(graph: LoadedGraph, tensor: str) -> str | None:
    """Return the tensor that is `tensor` without the masks on it; None if one cannot be removed.

    Where other tensors use what is masked, they still do: the nodes between the masks and the tensor are copied.
    """
    masked = _Masks(graph, tensor)
    replaced = {}
    for mask in masked.found:
        operand = masked.operand(mask)
        if operand is None:
            return None
        replaced[f"{mask.frame.body.names[mask.node]}:0"] = operand
    if not replaced:
        return tensor
    result = graph.copy(tensor, replaced, _SUFFIX)
    return None if _Masks(graph, result).found else result


class _Masks:
    """The masks on a tensor of a graph."""

    def __init__(self, graph: LoadedGraph, tensor: str) -> None:
        view = GraphView(parse("GraphDef", graph.with_shapes().SerializeToString()))
        self._graph = InlinedGraph(view)
        image, output = (view.tensor(graph.resolved(name)) for name in (graph.images, tensor))
        main = self._graph.main
        self._dependence = Dependence(self._graph, [] if image is None else [(main, *image)])
        outputs = [] if output is None else [(main, *output)]
        # Of an op that hides what it does, nothing can be removed.
        found = masks(self._graph, self._dependence, outputs)
        self.found = [mask for mask in found if isinstance(mask, Mask)]

    def operand(self, mask: Mask) -> str | None:
        """Return the tensor that is masked, before it is scaled up for that; None if it cannot be told."""
        frame, node = mask.frame, mask.node
        operands = [value for value in frame.inputs(node) if value != mask.mask and self._dependence.images(value)]
        if frame is not self._graph.main or len(operands) != 1:
            return None
        return self._unscaled(operands[0], drop_rate(self._graph, self._dependence, mask))

    def _unscaled(self, value: Value, rate: float | None) -> str | None:
        """Return the tensor of which a value is the multiple that makes up for what a mask of this rate drops."""
        frame, node, _ = value
        op, inputs = frame.op(node), frame.inputs(node)
        operands = inputs[1:] if op in ew.QUOTIENTS else inputs if op in ew.PRODUCTS else []
        for factor in operands:
            scalar = self._graph.scalar(factor)
            if rate is None and not self._dependence.images(factor):
                return None
            kept = None if not scalar else float(scalar) if op in ew.QUOTIENTS else 1 / float(scalar)
            if rate is not None and kept is not None and math.isclose(kept, 1 - rate, rel_tol=1e-3):
                return _name(next(other for other in inputs if other != factor))
        return _name(value)


def _name(value: Value) -> str:
    frame, node, number = value
    return f"{frame.body.names[node]}:{number}"
