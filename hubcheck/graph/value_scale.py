"""In which range pixels reach the first layer that has learned anything."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hubcheck.graph.dataflow.constants import Constant, read_constant
from hubcheck.graph.dataflow.control_flow_v1 import MERGES, SWITCHES
from hubcheck.graph.dataflow.dependence import Dependence
from hubcheck.graph.dataflow.folding import INTEGERS
from hubcheck.graph.dataflow.frame import CallFrame, Value
from hubcheck.graph.dataflow.inlining import InlinedGraph
from hubcheck.graph.op_tables import elementwise as ew

_LAYERS = frozenset(
    """
    Conv Conv2D Conv3D DepthwiseConv2dNative _FusedConv2D _FusedDepthwiseConv2dNative MatMul BatchMatMul BatchMatMulV2
    BatchMatMulV3 _FusedMatMul Einsum FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3
    """.split()  # noqa: SIM905
)
_KEEPS = frozenset(
    """
    ResizeBilinear ResizeBicubic ResizeArea ResizeNearestNeighbor ScaleAndTranslate CropAndResize ClipByValue Relu Relu6
    AdjustContrastv2 ImageProjectiveTransformV2 ImageProjectiveTransformV3 ExtractImagePatches AvgPool MaxPool MaxPoolV2
    """.split()  # noqa: SIM905
)
"""Ops after which pixels are, on the whole, in the range that they were in."""
_MOST_PARTS = 4096
_LEVELS = 2
"""Whole numbers that are too few to tell pixels apart."""
_MOST_STEPS = 64
"""Ops between constants and what is made of them."""
_LARGEST_IMAGE = 1 << 20
"""Numbers in a mean image: 512 pixels each way, and some."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A layer's node, and that pixel p in [0, 1] arrives there as `scale * p + offset` (averages over the channels).

    `cut` tells that it is no layer, but a cast to so few whole numbers that hardly anything is left of a picture.
    """

    frame: CallFrame
    node: int
    scale: float
    offset: float
    cut: bool = False


_Affine = tuple[float, float]


def arrivals(graph: InlinedGraph, dependence: Dependence, images: Iterable[Value]) -> Iterator[Arrival]:
    """Where pixels arrive, over constant scales and shifts alone; ways with other arithmetic are left out."""
    known: dict[Value, _Affine] = dict.fromkeys(images, (1.0, 0.0))
    waiting = list(known)
    readers: dict[CallFrame, list[list[int]]] = {}
    while waiting:
        value = waiting.pop()
        frame, node, _ = value
        if frame not in readers:
            readers[frame] = frame.body.consumers
        for reader in readers[frame][node] if node < len(readers[frame]) else ():
            if value not in frame.inputs(reader):
                continue
            if _is_layer(graph, dependence, frame, reader):
                inputs = [known[source] for source in frame.inputs(reader) if source in known]
                yield from (Arrival(frame, reader, *affine) for affine in inputs[:1])
                continue
            if _is_cut(frame, reader) and abs(known[value][0]) < _LEVELS:
                yield Arrival(frame, reader, *known[value], cut=True)
                continue
            for result, affine in _through(graph, dependence, frame, reader, value, known):
                if result not in known:
                    known[result] = affine
                    waiting.append(result)
        for result in _returned(frame, value):
            if result not in known:
                known[result] = known[value]
                waiting.append(result)


def _is_layer(graph: InlinedGraph, dependence: Dependence, frame: CallFrame, node: int) -> bool:
    """Whether a node weighs its input with learned values: a layer, or arithmetic with a variable."""
    op = frame.op(node)
    if op not in ew.PRODUCTS | ew.QUOTIENTS | ew.SUMS:
        return op in _LAYERS
    partners = [source for source in frame.inputs(node) if not dependence.images(source)]
    return any(_is_learned(graph, p) and not dependence.random(p) for p in partners)


def _is_learned(graph: InlinedGraph, value: Value) -> bool:
    """Whether a value is made from anything but constants."""
    if _constant(graph, value) is not None:
        return False
    waiting, seen = [value], set[Value]()
    while waiting and len(seen) < _MOST_STEPS:
        value = graph.see_through(waiting.pop())
        frame, node, _ = value
        if value in seen or frame.op(node) == "Const":
            continue
        seen.add(value)
        sources = graph.originals(value) or frame.inputs(node)
        if not sources:
            return True
        waiting += sources
    return bool(waiting)


def _constant(graph: InlinedGraph, value: Value) -> Constant | None:
    """The constant that a value is, if only the whole image of a mean."""
    found = graph.constant(value)
    if found is None:
        frame, node, _ = graph.see_through(value)
        content: Any = frame.body.attribute(node, "value") if frame.op(node) == "Const" else None
        found = read_constant(content.tensor, max_elements=_LARGEST_IMAGE) if content is not None else None
    return found


def _is_cut(frame: CallFrame, node: int) -> bool:
    """Whether a node leaves no more than the whole part of numbers."""
    target: Any = frame.body.attribute(node, "DstT") if frame.op(node) == "Cast" else None
    return target is not None and target.type in INTEGERS


def _through(
    graph: InlinedGraph, dependence: Dependence, frame: CallFrame, node: int, value: Value, known: dict[Value, _Affine]
) -> Iterator[tuple[Value, _Affine]]:
    """The values that a node makes of pixels, as far as it treats them all alike."""
    op = frame.op(node)
    inputs = frame.inputs(node)
    callees = graph.callees(frame, node)
    if _asks_pixels(graph, dependence, frame, node):
        return
    if callees is not None:
        for callee in callees:
            first = callee.call.first if callee.call is not None else 0
            for position, source in enumerate(inputs):
                if source == value and 0 <= position - first < callee.body.arguments:
                    yield (callee, position - first, 0), known[value]
    elif op == "IdentityN":
        yield from (((frame, node, i), known[value]) for i, source in enumerate(inputs) if source == value)
    elif op in MERGES or op in ew.SAME or op in _KEEPS or op in ew.CAPS:
        yield from _outputs(frame, node, known[value])
    elif op == "Neg":
        yield from _outputs(frame, node, (-known[value][0], -known[value][1]))
    elif op in ew.MOVES:
        moved = [source for source in inputs[ew.MOVES[op]] if dependence.images(source)]
        parts = [known[source] for source in moved if source in known]
        # Of a list that a loop fills, what is put in is enough; of channels put together, all must be known.
        if parts and (len(parts) == len(moved) or op.startswith(("TensorList", "TensorArray"))):
            mean = (sum(p[0] for p in parts) / len(parts), sum(p[1] for p in parts) / len(parts))
            yield from _outputs(frame, node, mean)
    elif len(inputs) == 2 and inputs[0] != inputs[1]:
        partner = inputs[1] if inputs[0] == value else inputs[0]
        affine = _combined(op, known[value], _constant(graph, partner), inputs[0] == value)
        if affine is not None:
            yield from _outputs(frame, node, affine)


def _asks_pixels(graph: InlinedGraph, dependence: Dependence, frame: CallFrame, node: int) -> bool:
    """Whether it depends on the pixels what a node does to them, as in "divide by 255 what is not in [0, 1]"."""
    op = frame.op(node)
    condition = frame.body.input(node, 1) if op in SWITCHES else None
    asked = (frame, *condition) if condition is not None else graph.condition(frame, node) if op not in MERGES else None
    return asked is not None and dependence.images(asked) and graph.constant(asked) is None


def _combined(op: str, affine: _Affine, partner: Constant | None, first: bool) -> _Affine | None:
    if partner is None or not partner.values:
        return None
    scale, offset = affine
    mean = sum(partner.values) / len(partner.values)
    if op == "Mul":
        return scale * mean, offset * mean
    if op in ("Div", "RealDiv", "DivNoNan") and first and all(partner.values):
        mean = sum(1 / size for size in partner.values) / len(partner.values)
        return scale * mean, offset * mean
    if op in ("Add", "AddV2", "AddN", "BiasAdd"):
        return scale, offset + mean
    if op == "Sub":
        return (scale, offset - mean) if first else (-scale, mean - offset)
    return None


def _outputs(frame: CallFrame, node: int, affine: _Affine) -> Iterator[tuple[Value, _Affine]]:
    """All outputs of a node that anybody could take; few ops that keep pixels have more than one."""
    op = frame.op(node)
    parts = frame.body.attribute(node, "num" if op == "Unpack" else "num_split")
    count = 2 if op in SWITCHES else min(parts.i, _MOST_PARTS) if parts is not None else 1
    yield from (((frame, node, number), affine) for number in range(count))


def _returned(frame: CallFrame, value: Value) -> Iterator[Value]:
    """What a value becomes at the caller, and in a loop's next turn, where its function returns it."""
    if frame.caller is None or frame.call is None or not frame.call.returns:
        return
    results: Sequence[tuple[int, int]] = frame.body.results
    for number, result in enumerate(results):
        if result == value[1:]:
            yield frame.caller, frame.site, number
            if frame.call.role == "loop":
                yield frame, number, 0
