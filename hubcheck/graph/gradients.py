"""Ops through which TensorFlow cannot compute gradients, on the way from an output back to the images or a variable."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from hubcheck.graph.dataflow.body import Body
from hubcheck.graph.dataflow.frame import CallFrame, Value
from hubcheck.graph.dataflow.inlining import InlinedGraph

_VARIABLES = frozenset({"ReadVariableOp", "ResourceGather", "Variable", "VariableV2"})
_FLOATS = frozenset({1, 2, 14, 19})
"""float32, float64, bfloat16 and half, by their enum numbers."""

_DIFFERENTIABLE = """
Abs Add AddN AddV2 AvgPool AvgPool3D BatchMatMul BatchMatMulV2 BatchMatMulV3 BatchToSpaceND BiasAdd BroadcastTo
ClipByValue Concat ConcatV2 Conv2D Conv3D Cos CropAndResize DepthToSpace DepthwiseConv2dNative Div DivNoNan Einsum Elu
EnsureShape Erf Exp ExpandDims ExtractImagePatches FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3 Gather GatherV2
Identity LRN LeakyRelu Log Log1p LogSoftmax MatMul Max MaxPool MaxPool3D MaxPoolV2 Maximum Mean Min Minimum MirrorPad
Mul Neg Pack Pad PadV2 PlaceholderWithDefault Pow Prod RealDiv Relu Relu6 Reshape ResizeBicubic ResizeBilinear
ResizeNearestNeighbor ReverseV2 Roll Rsqrt Selu Sigmoid Sin Slice Softmax Softplus Softsign SpaceToBatchND SpaceToDepth
Split SplitV Sqrt Square SquaredDifference Squeeze StridedSlice Sub Sum Tanh Tile TopK TopKV2 Transpose Unpack
"""
_PASSES = frozenset(_DIFFERENTIABLE.split())
"""Ops that pass a gradient on to their inputs. Others may end it; a run shows what they do."""


def blocking_nodes(
    graph: InlinedGraph, outputs: Iterable[Value], images: Iterable[Value], blocking: Collection[str]
) -> list[tuple[CallFrame, int]]:
    """Return the nodes that certainly raise when the outputs are differentiated, in the order of the search.

    `blocking` are the ops for which TensorFlow has no gradient.
    """
    _, found = _search(graph, outputs, frozenset(), blocking)
    ends = frozenset((frame, node) for frame, node, _ in images)
    return [
        (frame, node)
        for frame, node in found
        if _is_float(frame.body, node) and _search(graph, frame.inputs(node), ends, ())[0]
    ]


def _search(
    graph: InlinedGraph, start: Iterable[Value], ends: Collection[tuple[CallFrame, int]], blocking: Collection[str]
) -> tuple[bool, list[tuple[CallFrame, int]]]:
    """Follow gradients back; return whether they reach one of the ends or a variable, and the blocking nodes."""
    waiting = list(start)
    seen = set(waiting)
    reached, found = False, dict[tuple[CallFrame, int], None]()
    while waiting:
        value = waiting.pop()
        frame, node, _ = value
        op = frame.op(node)
        if op in _VARIABLES or (frame, node) in ends:
            reached = True
        elif op in blocking:
            found[frame, node] = None
        elif op in _PASSES or (op in graph.copying_ops and op != "IdentityN"):
            new = [source for source in graph.sources(value) if source not in seen]
            seen.update(new)
            waiting += new
    return reached, list(found)


def _is_float(body: Body, node: int) -> bool:
    dtype = body.attribute(node, "T")
    return dtype is None or dtype.type in _FLOATS
