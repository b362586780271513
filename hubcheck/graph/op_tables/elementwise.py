"""What ops do to single entries of a tensor: keep them, map them, move them, combine them."""

from __future__ import annotations

from collections.abc import Mapping

SAME = frozenset(
    """
    Identity StopGradient EnsureShape CheckNumerics CheckNumericsV2 PreventGradient Snapshot Copy CopyHost DebugIdentity
    DebugIdentityV2 DebugIdentityV3 Print GuaranteeConst PlaceholderWithDefault Enter RefEnter Exit RefExit
    NextIteration RefNextIteration Switch RefSwitch Cast Bitcast DebugGradientIdentity
    FakeQuantWithMinMaxArgs FakeQuantWithMinMaxVars FakeQuantWithMinMaxVarsPerChannel QuantizeAndDequantize
    QuantizeAndDequantizeV2 QuantizeAndDequantizeV3 QuantizeAndDequantizeV4 QuantizeV2 Dequantize XlaSharding
    XlaOptimizationBarrier TPUReplicatedInput TPUReplicatedOutput
    """.split()  # noqa: SIM905
)
"""Each entry of the result is the same entry of input 0, up to its precision."""

UNARY = frozenset(
    """
    Abs Acos Acosh Asin Asinh Atan Atanh BesselI0 BesselI0e BesselI1 BesselI1e Ceil ClipByValue ComplexAbs Conj Cos
    Cosh Dawsn Digamma Elu Erf Erfc Erfinv Exp Expint Expm1 Floor FresnelCos FresnelSin Imag Inv Invert IsFinite IsInf
    IsNan LeakyRelu Lgamma Log Log1p LogicalNot Ndtri Neg Real Reciprocal Relu Relu6 Rint Round Rsqrt Selu Sigmoid Sign
    Sin Sinh Softplus Softsign Spence Sqrt Square Tan Tanh
    """.split()  # noqa: SIM905
)
"""Each entry of the result is a function of the same entry of input 0."""

ADDS = frozenset({"Add", "AddV2"})
PRODUCTS = frozenset({"Mul", "MulNoNan", "BitwiseAnd", "LogicalAnd"})
QUOTIENTS = frozenset({"Div", "RealDiv", "DivNoNan", "FloorDiv", "TruncateDiv", "Xdivy"})
SELECTS = frozenset({"Select", "SelectV2"})
CAPS = frozenset({"Minimum", "Maximum"})
SUMS = ADDS | frozenset({"AddN", "Sub", "BiasAdd", "BiasAddV1", "Pow", "SquaredDifference", "Mod", "FloorMod"})
REDUCTIONS = frozenset({"Mean", "Sum", "Max", "Min"})
NORMALISATIONS = frozenset(
    {"FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3", "BatchNormWithGlobalNormalization"}
)

_MOVES = (
    (
        slice(0, 1),
        """
        Reshape Transpose ConjugateTranspose Squeeze ExpandDims Slice StridedSlice Gather GatherV2 GatherNd Unpack Pad
        PadV2 MirrorPad Tile BroadcastTo Reverse ReverseV2 ReverseSequence Roll SpaceToBatch SpaceToBatchND
        BatchToSpace BatchToSpaceND SpaceToDepth DepthToSpace DynamicPartition MatrixDiag MatrixDiagV2 MatrixDiagV3
        MatrixDiagPart MatrixDiagPartV2 MatrixDiagPartV3 MatrixBandPart Diag DiagPart TopK TopKV2 RandomShuffle
        StatelessShuffle TensorListFromTensor TensorListStack TensorListGetItem TensorListConcat TensorListConcatV2
        TensorListGather TensorListSplit TensorListScatter TensorListScatterV2 TensorListPopBack TensorListResize
        SplitV
        """,
    ),
    (slice(1, None), "Concat"),
    (slice(0, -1), "ConcatV2"),
    (slice(0, None), "Pack ParallelConcat DynamicStitch ParallelDynamicStitch"),
    (slice(1, 2), "Split ScatterNd TensorArrayConcatV3 TensorArrayUnpackV3"),
    (slice(2, 3), "TensorArrayReadV3 TensorArrayGatherV3 SparseToDense"),
    (slice(0, 2), "MatrixSetDiag MatrixSetDiagV2 MatrixSetDiagV3 TensorListPushBack TensorListPushBackBatch"),
    (slice(0, 2), "TensorListScatterIntoExistingList TensorListConcatLists"),
    (slice(2, 4), "TensorArrayWriteV3 TensorArrayScatterV3"),
    (slice(0, 3, 2), "TensorScatterUpdate TensorListSetItem"),
    (slice(1, 4, 2), "TensorArraySplitV3"),
    (slice(0, 5, 4), "TensorStridedSliceUpdate"),
)
MOVES: Mapping[str, slice] = {op: inputs for inputs, ops in _MOVES for op in ops.split()}
"""Each entry of the result is an entry of one of these inputs (or a filler), somewhere else."""

SAME_AXES = frozenset(
    "Concat ConcatV2 Split SplitV Slice Pad PadV2 MirrorPad Tile Reverse ReverseV2 Roll".split()  # noqa: SIM905
)
"""Moves that leave every axis where it is."""

SCATTERS: Mapping[str, int] = {"ScatterNd": 0, "TensorScatterUpdate": 1, "TensorScatterAdd": 1, "TensorScatterMul": 1}
"""Which input says where the entries go: drawn at random, it drops those that it does not hit."""
