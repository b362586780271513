"""What pixels are combined with on the way to the first layer: constants, small variables, statistics."""

from __future__ import annotations

from collections import defaultdict

from hubcheck.graph.dataflow.body import Port
from hubcheck.graph.dataflow.constants import Constant, read_constant
from hubcheck.graph.dataflow.folding import Fold, fold
from hubcheck.graph.dataflow.frame import MAX_SEARCH, CallFrame, Value
from hubcheck.graph.dataflow.inlining import InlinedGraph
from hubcheck.graph.op_tables import elementwise as ew
from hubcheck.graph.value_scale.stored_variables import StoredVariables
from hubcheck.util.record import record

_MAX_IMAGE = 1 << 20
"""Numbers in the constant image of a mean: 512 x 512 pixels, and some."""


@record
class Partner:
    """What pixels are combined with.

    `constant` is its value, None if it has none. `learned` says that variables are in it, `unknown` that it would have
    a value if those of its variables were known.
    """

    constant: Constant | None
    learned: bool = False
    unknown: bool = False


_LARGE = Partner(None, learned=True)
"""The partner in which a large variable is, or too many nodes to look at."""


class Partners:
    """The partners of pixels in one graph, with the variables' values as they are restored."""

    def __init__(self, graph: InlinedGraph, variables: StoredVariables) -> None:
        self._graph, self._variables = graph, variables
        self._memo: defaultdict[CallFrame, dict[Port, Constant | None]] = defaultdict(dict)
        self._without: dict[Value, Partner] = {}

    def of(self, value: Value) -> Partner:
        """Return what is known of a value."""
        constant = self._graph.constant(value) or self._image(value)
        if constant is not None:
            return Partner(constant)
        stored = fold(value, self._step, self._memo.__getitem__)
        if stored is not None:
            return Partner(stored, learned=True)
        return self._without_value(value)

    def _without_value(self, value: Value) -> Partner:
        """Return whether a value is made from anything but constants, and whether that is small variables."""
        value = self._graph.see_through(value)
        if value not in self._without:
            self._without[value] = self._made_of(value)
        return self._without[value]

    def _made_of(self, value: Value) -> Partner:
        waiting, seen = [value], set[Value]()
        learned = unknown = False
        while waiting and len(seen) < MAX_SEARCH:
            value = self._graph.see_through(waiting.pop())
            frame, node, _ = value
            if value in seen or frame.op(node) == "Const":
                continue
            seen.add(value)
            known = self._without.get(value)
            if known is not None:
                if known is _LARGE:
                    return _LARGE
                learned, unknown = learned or known.learned, unknown or known.unknown
                continue
            stored = self._variables.read_by(frame, node)
            if stored == "large":
                return _LARGE
            unknown = unknown or stored == "unknown"
            sources = self._graph.originals(value) or frame.inputs(node)
            learned = learned or not sources or stored is not None
            waiting += sources if stored is None else []
        return _LARGE if waiting else Partner(None, learned, unknown)

    def _image(self, value: Value) -> Constant | None:
        """Return a constant as large as the image of a mean."""
        frame, node, _ = self._graph.see_through(value)
        content = frame.body.attribute(node, "value") if frame.op(node) == "Const" else None
        return read_constant(content.tensor, max_elements=_MAX_IMAGE) if content is not None else None

    def _step(self, value: Value) -> Fold:
        frame, node, _ = value
        stored = self._variables.read_by(frame, node)
        if stored is not None:
            return (stored if isinstance(stored, Constant) else frame.op(node)), []
        op, sources = self._graph.fold_step(value)
        if op in _LIKE:
            return Constant((), (_LIKE[op],)), []
        if op in _SPREAD and len(sources) > 1:
            return "same", sources[_SPREAD[op] :][:1]
        if len(sources) != 2 or op not in _SHIFTS | {"Mul"}:
            return op, sources
        # The learned gain and shift of a batch normalisation do not depend on the range of pixels: they are left out.
        for number, (operand, other) in enumerate((sources, sources[::-1])):
            if op == "Mul":
                learned = self._is_deviation(other) and self._is_factor(frame, node)
            else:
                learned = self._has_deviation(other)
            if learned and self._is_variable(operand):
                return ("Neg" if op == "Sub" and number == 0 else "same"), [other]
        return op, sources

    def _is_deviation(self, value: Value) -> bool:
        frame, node, _ = self._graph.see_through(value)
        while frame.op(node) == "Cast" and (inputs := frame.inputs(node)):
            frame, node, _ = self._graph.see_through(inputs[0])
        return frame.op(node) == "Rsqrt"

    def _is_factor(self, frame: CallFrame, node: int) -> bool:
        """Return whether others are multiplied with a node's result, as with the scale; the mean is subtracted."""
        consumers = frame.body.consumers
        casts = [consumer for consumer in consumers[node] if frame.op(consumer) == "Cast"]
        after = [*consumers[node], *(consumer for cast in casts for consumer in consumers[cast])]
        return any(frame.op(consumer) == "Mul" for consumer in after)

    def _is_variable(self, value: Value) -> bool:
        for _ in range(MAX_SEARCH):
            frame, node, _ = value = self._graph.see_through(value)
            if frame.op(node) not in ("Cast", "Reshape", "ExpandDims") or not frame.inputs(node):
                return self._variables.read_by(frame, node) is not None
            value = frame.inputs(node)[0]
        return False

    def _has_deviation(self, value: Value) -> bool:
        """Return whether a value is computed from the inverse of a standard deviation."""
        waiting, seen = [value], set[Value]()
        while waiting and len(seen) < _MAX_NORMALISATION:
            value = self._graph.see_through(waiting.pop())
            if value not in seen:
                seen.add(value)
                if value[0].op(value[1]) == "Rsqrt":
                    return True
                waiting += self._graph.sources(value)
        return False


_LIKE = {"OnesLike": 1, "ZerosLike": 0}
_SPREAD = {"Fill": 1, "BroadcastTo": 0, "Tile": 0}
"""Ops that repeat what one input holds, and which: as a partner of pixels, it is the same before."""
_SHIFTS = ew.ADDS | {"Sub"}
_MAX_NORMALISATION = 30
"""Nodes that compute the scale and the offset of a batch normalisation."""
