"""The range in which pixels reach the first layer with learned weights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from hubcheck.graph.dataflow.constants import Constant, read_constant
from hubcheck.graph.dataflow.control_flow_v1 import MERGES, SWITCHES
from hubcheck.graph.dataflow.dependence import Dependence
from hubcheck.graph.dataflow.folding import INTEGERS
from hubcheck.graph.dataflow.frame import MAX_SEARCH, CallFrame, Value
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
"""Ops that keep the range of pixels, on the whole."""
_MAX_OUTPUTS = 4096
"""Outputs of a node that are looked at: a file can say that a Split has billions."""
_MIN_LEVELS = 2
"""Fewer integers than this cannot tell pixels apart."""
_MAX_IMAGE = 1 << 20
"""Numbers in the constant image of a mean: 512 x 512 pixels, and some."""

_Affine = tuple[float, float]
"""A scale and an offset."""


class Arrival(NamedTuple):
    """A layer at which pixel p in [0, 1] arrives as `scale * p + offset` (averages over the channels).

    `truncates` says that the node is not a layer, but a cast to so few integers that little is left of an image.
    """

    frame: CallFrame
    node: int
    scale: float
    offset: float
    truncates: bool = False


def arrivals(graph: InlinedGraph, dependence: Dependence, images: Iterable[Value]) -> Iterator[Arrival]:
    """Yield where pixels arrive after constant scales and shifts alone; paths with other arithmetic are left out."""
    known: dict[Value, _Affine] = dict.fromkeys(images, (1.0, 0.0))
    waiting = list(known)

    def reached(results: Iterable[tuple[Value, _Affine]]) -> None:
        for result, affine in results:
            if result not in known:
                known[result] = affine
                waiting.append(result)

    while waiting:
        value = waiting.pop()
        frame, node, _ = value
        for consumer in frame.body.consumers[node]:
            inputs = frame.inputs(consumer)
            if value not in inputs:
                continue
            if _is_layer(graph, dependence, frame, consumer):
                affine = next(known[source] for source in inputs if source in known)
                yield Arrival(frame, consumer, *affine)
            elif _is_integer_cast(frame, consumer) and abs(known[value][0]) < _MIN_LEVELS:
                yield Arrival(frame, consumer, *known[value], truncates=True)
            else:
                reached(_through(graph, dependence, frame, consumer, value, known))
        reached((result, known[value]) for result in _returned(frame, value))


def _is_layer(graph: InlinedGraph, dependence: Dependence, frame: CallFrame, node: int) -> bool:
    """Return whether a node applies learned values to its input: a layer, or arithmetic with a variable."""
    op = frame.op(node)
    if op not in ew.PRODUCTS | ew.QUOTIENTS | ew.SUMS:
        return op in _LAYERS
    partners = [source for source in frame.inputs(node) if not dependence.images(source)]
    return any(_is_learned(graph, p) and not dependence.random(p) for p in partners)


def _is_learned(graph: InlinedGraph, value: Value) -> bool:
    """Return whether a value is made from anything but constants."""
    if _constant(graph, value) is not None:
        return False
    waiting, seen = [value], set[Value]()
    while waiting and len(seen) < MAX_SEARCH:
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
    """Return the constant that a value is, even one as large as the image of a mean."""
    constant = graph.constant(value)
    if constant is None:
        frame, node, _ = graph.see_through(value)
        content = frame.body.attribute(node, "value") if frame.op(node) == "Const" else None
        constant = read_constant(content.tensor, max_elements=_MAX_IMAGE) if content is not None else None
    return constant


def _is_integer_cast(frame: CallFrame, node: int) -> bool:
    target = frame.body.attribute(node, "DstT") if frame.op(node) == "Cast" else None
    return target is not None and target.type in INTEGERS


def _through(
    graph: InlinedGraph, dependence: Dependence, frame: CallFrame, node: int, value: Value, known: dict[Value, _Affine]
) -> Iterator[tuple[Value, _Affine]]:
    """Yield the values that a node makes of pixels, if it treats all pixels alike."""
    op = frame.op(node)
    inputs = frame.inputs(node)
    callees = graph.callees(frame, node)
    if _depends_on_pixels(graph, dependence, frame, node):
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
        # One element of a list that a loop fills is enough; of channels that are concatenated, all must be known.
        if parts and (len(parts) == len(moved) or op.startswith(("TensorList", "TensorArray"))):
            mean = (sum(p[0] for p in parts) / len(parts), sum(p[1] for p in parts) / len(parts))
            yield from _outputs(frame, node, mean)
    elif len(inputs) == 2 and inputs[0] != inputs[1]:
        partner = inputs[1] if inputs[0] == value else inputs[0]
        affine = _combined(op, known[value], _constant(graph, partner), inputs[0] == value)
        if affine is not None:
            yield from _outputs(frame, node, affine)


def _depends_on_pixels(graph: InlinedGraph, dependence: Dependence, frame: CallFrame, node: int) -> bool:
    """Return whether the pixels decide what a node does to them, as in "divide by 255 what is not in [0, 1]"."""
    op = frame.op(node)
    condition = frame.body.input(node, 1) if op in SWITCHES else None
    if condition is not None:
        predicate: Value | None = (frame, *condition)
    else:
        predicate = graph.condition(frame, node) if op not in MERGES else None
    return predicate is not None and dependence.images(predicate) and graph.constant(predicate) is None


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
    if op in ew.ADDS | {"AddN", "BiasAdd"}:
        return scale, offset + mean
    if op == "Sub":
        return (scale, offset - mean) if first else (-scale, mean - offset)
    return None


def _outputs(frame: CallFrame, node: int, affine: _Affine) -> Iterator[tuple[Value, _Affine]]:
    """Yield all outputs of a node; few ops that keep pixels have more than one."""
    op = frame.op(node)
    parts = frame.body.attribute(node, "num" if op == "Unpack" else "num_split")
    count = 2 if op in SWITCHES else min(parts.i, _MAX_OUTPUTS) if parts is not None else 1
    yield from (((frame, node, number), affine) for number in range(count))


def _returned(frame: CallFrame, value: Value) -> Iterator[Value]:
    """Yield what a value becomes at the caller, and in a loop's next turn, if its function returns it."""
    if frame.caller is None or frame.call is None or not frame.call.returns:
        return
    for number, result in enumerate(frame.body.results):
        if result == value[1:]:
            yield frame.caller, frame.site, number
            if frame.call.role == "loop" and number < frame.body.arguments:
                yield frame, number, 0
