"""Nodes whose computation is not in the graph: host code, compiled programs, unregistered ops, missing functions."""

from __future__ import annotations

from collections.abc import Collection

from hubcheck.graph.dataflow.frame import CallFrame
from hubcheck.graph.dataflow.inlining import InlinedGraph
from hubcheck.graph.op_tables import ops
from hubcheck.util.record import record

HOST_CODE = frozenset(
    {"PyFunc", "PyFuncStateless", "EagerPyFunc", "XlaCallModule", "XlaCustomCall", "XlaCustomCallV2", "XlaHostCompute",
     "_XlaHostComputeMlir", "_XlaRun", "TPUExecute", "TPUExecuteAndUpdateVariables", "DatasetFromGraph"}
)  # fmt: skip
"""Stock ops that run what is not in the graph: Python, or a program compiled elsewhere."""
_CALLS = frozenset({"RemoteCall", "XlaLaunch", "XlaLaunchV2", "PartitionedCall", "StatefulPartitionedCall"})
"""The inliner follows these, except where the library lacks the function."""


@record
class UnknownOp:
    """A node on the way to an output, of which the graph does not say what it computes."""

    frame: CallFrame
    node: int

    @property
    def reason(self) -> str:
        """Why a rule that follows the graph cannot decide."""
        name = self.frame.body.names[self.node]
        return f"the graph does not show what {self.frame.op(self.node)} ({name}) does on the way to an output"


def runs_unknown_code(op: str, functions: Collection[str]) -> bool:
    """Return whether an op runs host code, or is neither one of TensorFlow's nor one of the graph's functions."""
    return op in HOST_CODE or not (op.startswith("_") or op in functions or ops.is_stock(op))


def is_unknown(graph: InlinedGraph, frame: CallFrame, node: int) -> bool:
    """Return whether the graph does not say what a node computes, given that the inliner does not see through it."""
    op = frame.op(node)
    return op in _CALLS or runs_unknown_code(op, graph.view.library)
