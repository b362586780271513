"""Softmax, log-softmax or sigmoid at the end of an output."""

from __future__ import annotations

from collections.abc import Iterable

from hubcheck.graph.activations.decomposed_activations import TINY, decomposed_activation
from hubcheck.graph.activations.logistic import logistic
from hubcheck.graph.dataflow.dependence import Dependence
from hubcheck.graph.dataflow.frame import MAX_SEARCH, CallFrame, Value
from hubcheck.graph.dataflow.inlining import InlinedGraph
from hubcheck.graph.dataflow.unknown_ops import UnknownOp, is_unknown
from hubcheck.graph.op_tables import elementwise as ew
from hubcheck.util.record import record

_NAMES = {"Softmax": "softmax", "LogSoftmax": "log-softmax", "Sigmoid": "sigmoid"}
_POOLS = frozenset({"Mean", "Sum", "Max", "AvgPool", "MaxPool", "MaxPoolV2"})
"""Averages over positions, crops or models."""
_MAPS = frozenset({"Log", "Log1p", "Round", "Rint", "Floor", "Ceil"})
_CLIPS = frozenset({"ClipByValue", "Maximum", "Minimum"})
_SUMS = ew.ADDS | {"AddN"}
_SCALES = frozenset({"Mul", "Div", "RealDiv"})


@record
class FinalActivation:
    """The node of an activation at the end of an output, and the activation's name."""

    frame: CallFrame
    node: int
    name: str


def final_activation(graph: InlinedGraph, dependence: Dependence, output: Value) -> FinalActivation | UnknownOp | None:
    """Return the activation at the end of an output, None if there is none, an unknown op if that cannot be told.

    It may be followed by identities, casts, moves and calls, averages over positions, crops or models, constant
    factors, a logarithm, rounding, clipping, thresholds and tiny shifts.
    """
    waiting, seen = [output], {output}
    unknown: UnknownOp | None = None
    while waiting:
        value = waiting.pop()
        frame, node, _ = value
        sources = graph.originals(value)
        if sources is None:
            name = _name(graph, dependence, value)
            if name is not None:
                return FinalActivation(frame, node, name)
            # Functions that are called on elements of a data set, for example, are not followed.
            if is_unknown(graph, frame, node) or graph.view.calls(frame.body, node):
                unknown = unknown or UnknownOp(frame, node)
            sources = _before(graph, dependence, value)
        for source in sources:
            if source not in seen and dependence.images(source):
                seen.add(source)
                waiting.append(source)
    return unknown


def _name(graph: InlinedGraph, dependence: Dependence, value: Value) -> str | None:
    frame, node, _ = value
    op = frame.op(node)
    if op.startswith("_Fused"):
        fused = frame.body.attribute(node, "fused_ops")
        last = fused.list.s[-1].decode("utf-8", "replace") if fused is not None and fused.list.s else ""
        return _NAMES.get(last)
    return _NAMES.get(op) or decomposed_activation(graph, value) or logistic(graph, dependence, value)


def _before(graph: InlinedGraph, dependence: Dependence, value: Value) -> list[Value]:
    """Return the inputs of a node that may follow a final activation."""
    frame, node, _ = value
    op = frame.op(node)
    inputs = frame.inputs(node)
    if op in ew.SAME or op in _MAPS or op in _POOLS:
        return inputs[:1]
    if op in ew.MOVES:
        return inputs[ew.MOVES[op]]
    if op in ew.SELECTS:
        return inputs[1:]
    others = [source for source in inputs if not dependence.images(source)]
    if op in _CLIPS and len(inputs) - len(others) == 1:
        return inputs
    if op in _SUMS and not others and _are_activations(graph, dependence, inputs):
        return inputs
    if len(others) != 1 or len(inputs) != 2:
        return []
    constant = graph.constant(others[0])
    if constant is None:
        return []
    if op in _SCALES:
        return inputs if constant.scalar is not None or set(constant.values) <= {0, 1} else []
    if op in ew.ADDS:
        return inputs if constant.scalar is not None and abs(constant.scalar) < TINY else []
    # One minus a probability is the probability of the opposite.
    return (
        inputs
        if op == "Sub" and constant.scalar is not None and _are_activations(graph, dependence, inputs[1:])
        else []
    )


def _are_activations(graph: InlinedGraph, dependence: Dependence, values: Iterable[Value]) -> bool:
    """Return whether values are activations, moved or multiplied by constants, or sums of these."""
    waiting, seen = list(values), set[Value]()
    while waiting and len(seen) < MAX_SEARCH:
        value = graph.see_through(waiting.pop())
        if value in seen:
            continue
        seen.add(value)
        if _name(graph, dependence, value) is not None:
            continue
        frame, node, _ = value
        op, inputs = frame.op(node), frame.inputs(node)
        if op in _SUMS:
            waiting += inputs
        elif op in _SCALES:
            waiting += [source for source in inputs if graph.constant(source) is None]
        elif op in ew.MOVES:
            waiting += inputs[ew.MOVES[op]]
        elif op == "Cast":
            waiting += inputs[:1]
        else:
            return False
    return not waiting
