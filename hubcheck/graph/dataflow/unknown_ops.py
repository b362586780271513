"""Nodes of which the graph does not tell what they do: host code, compiled programs, ops and functions of others."""

from __future__ import annotations

from dataclasses import dataclass

from hubcheck.graph.dataflow.frame import CallFrame
from hubcheck.graph.dataflow.inlining import InlinedGraph
from hubcheck.graph.dataflow.randomness import hides

_UNFOLLOWED = frozenset({"RemoteCall", "XlaLaunch", "XlaLaunchV2", "PartitionedCall", "StatefulPartitionedCall"})
"""Calls, of which only those are not passed through whose function is not there."""


@dataclass(frozen=True, slots=True)
class Opaque:
    """Such a node, on the way to an output."""

    frame: CallFrame
    node: int

    @property
    def reason(self) -> str:
        """Why a rule that follows the graph cannot decide."""
        name = self.frame.body.names[self.node]
        return f"the graph does not tell what {self.frame.op(self.node)} ({name}) does on the way to an output"


def is_opaque(graph: InlinedGraph, op: str) -> bool:
    """Whether the graph does not tell what an op does."""
    return op in _UNFOLLOWED or hides(op, graph.view.functions)
