"""A function body at one place where it is called, and the values in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from hubcheck.graph.dataflow.body import Body, Port
from hubcheck.graph.dataflow.constants import Constant
from hubcheck.graph.dataflow.view import Call


class CallFrame:
    """A body as one node calls it: node `site` of frame `caller`.

    `caller` is None for the main graph and for functions that are called from outside the graph.
    `conditional` says that a condition, unknown before the graph runs, decides whether this body runs.
    `bindings` are the values of the main graph that arguments of such a function stand for: its captured constants.
    `callees`, `constants` and `depths` keep what is known of the frame's nodes.
    """

    __slots__ = ("bindings", "body", "call", "callees", "caller", "conditional", "constants", "depth", "depths", "site")

    def __init__(
        self,
        body: Body,
        caller: CallFrame | None = None,
        site: int = -1,
        call: Call | None = None,
        conditional: bool = False,
    ) -> None:
        self.body = body
        self.caller = caller
        self.site = site
        self.call = call
        self.conditional = conditional
        self.depth: int = 0 if caller is None else caller.depth + 1
        self.bindings: Mapping[int, Value] = {}
        self.callees: dict[int, list[CallFrame] | None] = {}
        self.constants: dict[Port, Constant | None] = {}
        self.depths: dict[Port, int | None] = {}

    def op(self, node: int) -> str:
        """Return the op of one of the body's nodes."""
        return self.body.ops[node]

    def inputs(self, node: int) -> list[Value]:
        """Return the values that feed a node's data inputs."""
        return [(self, source, number) for source, number in self.body.inputs(node)]

    @property
    def outermost(self) -> CallFrame:
        """The frame that nothing in the graph calls, in which this one lies."""
        frame = self
        while frame.caller is not None:
            frame = frame.caller
        return frame

    @property
    def role(self) -> str | None:
        """The role in which the caller runs this body, None if nothing in the graph calls it."""
        return None if self.call is None else self.call.role


Value = tuple[CallFrame, int, int]
"""An output of a node in a frame: the frame, the node's index, the output's number."""

MAX_CHAIN = 300
"""Nodes that are followed in a row; in a malformed graph they can form a circle."""
MAX_SEARCH = 300
"""Values in which a small pattern is searched for: a layer normalization in single ops has 20."""


class Resolver(Protocol):
    """What constant folding, TF1's control flow and random draws need of the graph in which frames lie."""

    def originals(self, value: Value) -> list[Value] | None:
        """Return the values of which this one is an unchanged copy, see InlinedGraph.passes."""

    def constant(self, value: Value) -> Constant | None:
        """Return the value if it is the same small constant in every run, see InlinedGraph.constant."""
