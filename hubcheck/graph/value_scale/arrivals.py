"""The range in which pixels reach the first layer with learned weights."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from hubcheck.graph.dataflow.constants import Constant
from hubcheck.graph.dataflow.control_flow_v1 import MERGES, SWITCHES
from hubcheck.graph.dataflow.dependence import Dependence
from hubcheck.graph.dataflow.frame import CallFrame, Value
from hubcheck.graph.dataflow.inlining import InlinedGraph
from hubcheck.graph.op_tables import elementwise as ew
from hubcheck.graph.value_scale.constant_kernels import channel_factors
from hubcheck.graph.value_scale.partners import Partners
from hubcheck.graph.value_scale.rounding import rounding_step
from hubcheck.util.record import record

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
"""Fewer whole numbers than this cannot tell pixels apart."""
_ALMOST_ONE = 0.99
_EPSILON = 1e-4
"""What a batch normalisation adds to the variance if it does not say so."""

_Affine = tuple[float, float]
"""A scale and an offset."""


class Arrival(NamedTuple):
    """A layer at which pixel p in [0, 1] arrives as `scale * p + offset` (averages over the channels).

    `truncates` says that the node is not a layer, but rounds to so few values that little is left of an image,
    `normalised` that it is a batch normalisation, which pixels leave in this range.
    """

    frame: CallFrame
    node: int
    scale: float
    offset: float
    truncates: bool = False
    normalised: bool = False


@record
class Unknown:
    """A node that combines pixels with variables whose values are not known."""

    frame: CallFrame
    node: int


def arrivals(
    graph: InlinedGraph, dependence: Dependence, partners: Partners, images: Iterable[Value]
) -> Iterator[Arrival | Unknown]:
    """Yield where pixels arrive after constant scales and shifts alone; paths with other arithmetic are left out."""
    pixels = _Pixels(graph, dependence, partners)
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
            affine = next(known[source] for source in inputs if source in known)
            layer = _layer(pixels, (frame, consumer), affine)
            if layer is not None:
                yield layer
            elif _truncates(partners, frame, consumer, known[value]):
                yield Arrival(frame, consumer, *known[value], truncates=True)
            else:
                reached(_through(pixels, (frame, consumer), value, known))
        reached((result, known[value]) for result in _returned(frame, value))


@record
class _Pixels:
    """What is asked about the values on the way."""

    graph: InlinedGraph
    dependence: Dependence
    partners: Partners


def _layer(pixels: _Pixels, place: tuple[CallFrame, int], affine: _Affine) -> Arrival | Unknown | None:
    """Return the arrival at a node that applies learned values to its input: a layer, or arithmetic with a variable."""
    frame, node = place
    op, inputs = frame.op(node), frame.inputs(node)
    if op in ew.NORMALISATIONS and len(inputs) == 5:
        training = frame.body.attribute(node, "is_training")
        if not op.startswith("Fused") or (training is not None and not training.b):
            return _normalised(pixels.partners, place, affine)
    if op in _LAYERS:
        scales = any(_scaled(op, affine, pixels.graph.constant(source)) is not None for source in inputs[:2])
        return None if scales else Arrival(frame, node, *affine)
    if op not in ew.PRODUCTS | ew.QUOTIENTS | ew.SUMS:
        return None
    for source in inputs:
        if pixels.dependence.images(source):
            continue
        partner, random = pixels.partners.of(source), pixels.dependence.random(source)
        if partner.unknown and not random:
            return Unknown(frame, node)
        # Learned factors of different signs, or of 0, weigh channels rather than scale pixels.
        scales = op in ew.PRODUCTS | ew.QUOTIENTS
        followed = partner.constant is not None and not (scales and min(partner.constant.values, default=0) <= 0)
        if partner.learned and not random:
            composed = followed and _combined(op, affine, partner.constant, inputs[0] != source) is not None
            return None if composed else Arrival(frame, node, *affine)
    return None


def _normalised(partners: Partners, place: tuple[CallFrame, int], affine: _Affine) -> Arrival | Unknown:
    """Return how pixels leave a batch normalisation, before its learned gain and shift."""
    frame, node = place
    fused = frame.op(node).startswith("Fused")
    mean, variance = (partners.of(source) for source in frame.inputs(node)[slice(3, 5) if fused else slice(1, 3)])
    if mean.unknown or variance.unknown:
        return Unknown(frame, node)
    if mean.constant is None or variance.constant is None or not mean.constant.values:
        return Arrival(frame, node, *affine)
    stated = frame.body.attribute(node, "epsilon" if fused else "variance_epsilon")
    epsilon = stated.f if stated is not None else _EPSILON
    if min(variance.constant.values, default=-1) + epsilon <= 0:
        return Arrival(frame, node, *affine)
    scale, offset = affine
    inverses = [1 / math.sqrt(size + epsilon) for size in variance.constant.values]
    offsets = [(offset - middle) * inverse for middle, inverse in zip(mean.constant.values, inverses, strict=False)]
    average = scale * sum(inverses) / len(inverses)
    return Arrival(frame, node, average, sum(offsets) / len(offsets), normalised=True)


def _truncates(partners: Partners, frame: CallFrame, node: int, affine: _Affine) -> bool:
    """Return whether a node rounds to whole numbers, or to fewer values, and of them only few are reached."""
    step = rounding_step(partners, frame, node)
    return step is not None and step > _ALMOST_ONE and abs(affine[0]) < _MIN_LEVELS * step


def _through(
    pixels: _Pixels, place: tuple[CallFrame, int], value: Value, known: dict[Value, _Affine]
) -> Iterator[tuple[Value, _Affine]]:
    """Yield the values that a node makes of pixels, if it treats all pixels alike."""
    frame, node = place
    op, inputs = frame.op(node), frame.inputs(node)
    callees = pixels.graph.callees(frame, node)
    if _depends_on_pixels(pixels, frame, node):
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
        moved = [source for source in inputs[ew.MOVES[op]] if pixels.dependence.images(source)]
        parts = [known[source] for source in moved if source in known]
        # One element of a list that a loop fills is enough; of channels that are concatenated, all must be known.
        if parts and (len(parts) == len(moved) or op.startswith(("TensorList", "TensorArray"))):
            mean = (sum(p[0] for p in parts) / len(parts), sum(p[1] for p in parts) / len(parts))
            yield from _outputs(frame, node, mean)
    elif len(inputs) == 2 and inputs[0] != inputs[1]:
        partner = inputs[1] if inputs[0] == value else inputs[0]
        if op in _LAYERS:
            affine = _scaled(op, known[value], pixels.graph.constant(partner))
        else:
            affine = _combined(op, known[value], pixels.partners.of(partner).constant, inputs[0] == value)
        if affine is not None:
            yield from _outputs(frame, node, affine)


def _depends_on_pixels(pixels: _Pixels, frame: CallFrame, node: int) -> bool:
    """Return whether the pixels decide what a node does to them, as in "divide by 255 what is not in [0, 1]"."""
    op = frame.op(node)
    condition = frame.body.input(node, 1) if op in SWITCHES else None
    if condition is not None:
        predicate: Value | None = (frame, *condition)
    else:
        predicate = pixels.graph.condition(frame, node) if op not in MERGES else None
    return predicate is not None and pixels.dependence.images(predicate) and pixels.graph.constant(predicate) is None


def _scaled(op: str, affine: _Affine, kernel: Constant | None) -> _Affine | None:
    """Return what a layer with a constant kernel makes of pixels if it only scales their channels."""
    return _combined("Mul", affine, channel_factors(op, kernel), first=True) if kernel is not None else None


def _combined(op: str, affine: _Affine, partner: Constant | None, first: bool) -> _Affine | None:
    if partner is None or not partner.values:
        return None
    scale, offset = affine
    mean = sum(partner.values) / len(partner.values)
    if op == "Mul":
        return scale * mean, offset * mean
    if op in ("Div", "RealDiv", "DivNoNan", "Xdivy") and first and all(partner.values):
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
