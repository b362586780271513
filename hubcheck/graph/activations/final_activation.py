"""Activations that turn scores into probabilities, at the end of an output."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hubcheck.graph.activations.decomposed_activations import TINY, written_out
from hubcheck.graph.dataflow.dependence import Dependence
from hubcheck.graph.dataflow.frame import CallFrame, Value
from hubcheck.graph.dataflow.inlining import InlinedGraph
from hubcheck.graph.dataflow.unknown_ops import UnknownOp, is_unknown
from hubcheck.graph.op_tables import elementwise as ew

_NAMES = {"Softmax": "softmax", "LogSoftmax": "log-softmax", "Sigmoid": "sigmoid"}
_POOLS = frozenset({"Mean", "Sum", "Max", "AvgPool", "MaxPool", "MaxPoolV2"})
"""Over places, crops or models."""
_MAPS = frozenset({"Log", "Log1p", "Round", "Rint", "Floor", "Ceil"})
_CLIPS = frozenset({"ClipByValue", "Maximum", "Minimum"})
_SHIFTS = frozenset({"Add", "AddV2"})
_SUMS = _SHIFTS | {"AddN"}
_SCALES = frozenset({"Mul", "Div", "RealDiv"})
_MOST_MODELS = 300
"""Nodes of a sum that are looked at, in search of one that is no activation."""


@dataclass(frozen=True, slots=True)
class Closing:
    """The node of an activation that ends an output, and its name."""

    frame: CallFrame
    node: int
    name: str


def closing_activation(graph: InlinedGraph, dependence: Dependence, output: Value) -> Closing | UnknownOp | None:
    """The activation that ends an output; None if the output ends with anything else, a node if none can tell.

    Seen through identities, casts, moves and calls, through averages over places, crops or models and constant factors,
    and through the logarithm, rounding, clipping, thresholds and tiny shifts that come after it.
    """
    waiting, seen = [output], {output}
    obstacle: UnknownOp | None = None
    while waiting:
        value = waiting.pop()
        frame, node, _ = value
        sources = graph.originals(value)
        if sources is None:
            name = _name(graph, value)
            if name is not None:
                return Closing(frame, node, name)
            if is_unknown(graph, frame.op(node)):
                obstacle = obstacle or UnknownOp(frame, node)
            sources = _behind(graph, dependence, value)
        for source in sources:
            if source not in seen and dependence.images(source):
                seen.add(source)
                waiting.append(source)
    return obstacle


def _name(graph: InlinedGraph, value: Value) -> str | None:
    return _NAMES.get(value[0].op(value[1])) or written_out(graph, value)


def _behind(graph: InlinedGraph, dependence: Dependence, value: Value) -> list[Value]:
    """What a value is made of, where its op leaves a closing activation one."""
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
    if op in _SUMS and not others and _all_close(graph, inputs):
        return inputs
    if len(others) != 1 or len(inputs) != 2:
        return []
    constant = graph.constant(others[0])
    if constant is None:
        return []
    if op in _SCALES:
        return inputs if constant.scalar is not None or set(constant.values) <= {0, 1} else []
    if op in _SHIFTS:
        return inputs if constant.scalar is not None and abs(constant.scalar) < TINY else []
    # What is left to one of a probability is that of the opposite.
    return inputs if op == "Sub" and constant.scalar is not None and _all_close(graph, inputs[1:]) else []


def _all_close(graph: InlinedGraph, values: Iterable[Value]) -> bool:
    """Whether values are activations themselves, moved or times constants, or sums of these."""
    waiting, seen = list(values), set[Value]()
    while waiting and len(seen) < _MOST_MODELS:
        value = graph.see_through(waiting.pop())
        if value in seen:
            continue
        seen.add(value)
        if _name(graph, value) is not None:
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
