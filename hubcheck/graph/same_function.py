"""Whether two tensors of a graph are one and the same function of its inputs, as far as the graph shows it.

Exporters wrap one inner function in a function per signature. Two wrappers that hand their arguments and
captures on unchanged give the same result; so a tensor is named here by the innermost node that computes
it, together with the tensors of the main graph that reach that node's function.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})
_MOST_STEPS = 10_000

Origin = tuple[str, str, tuple[str, ...]]
"""Function ("" for the main graph), tensor in it, and what the function's arguments are in the main graph."""


@dataclass(slots=True)
class _Frame:
    """A body being walked: the main graph, or a function with the caller's tensors for its arguments."""

    name: str
    nodes: Mapping[str, Any]
    function: Any = None
    inputs: tuple[str, ...] = ()
    caller: _Frame | None = None
    positions: dict[str, int] = field(default_factory=dict)


class Origins:
    """Origins of tensors in one GraphDef."""

    def __init__(self, graph: Any) -> None:
        self._main = _Frame("", {node.name: node for node in graph.node})
        self._library = {function.signature.name: function for function in graph.library.function}
        self._bodies: dict[str, Mapping[str, Any]] = {}

    def origin(self, tensor: str, inputs: Mapping[str, str]) -> Origin:
        """Where a tensor of the main graph is computed.

        Args:
            tensor: "node:0".
            inputs: for each tensor that the caller feeds ("images:0"), the name to know it by.
        """
        frame, reference = self._follow(self._main, tensor)
        if frame.caller is None:
            return "", inputs.get(reference, reference), ()
        reached = (self._follow(frame.caller, source)[1] for source in frame.inputs)
        arguments = tuple(inputs.get(source, source) for source in reached)
        return frame.name, reference, arguments

    def _follow(self, frame: _Frame, reference: str) -> tuple[_Frame, str]:
        """Through identities, into calls and out of arguments, to the node that computes something."""
        for _ in range(_MOST_STEPS):
            name, _, port = reference.partition(":")
            if name in frame.positions and frame.caller is not None:
                frame, reference = frame.caller, frame.inputs[frame.positions[name]]
                continue
            node = frame.nodes.get(name)
            if node is None:
                break
            if node.op == "Identity" and node.input:
                reference = node.input[0]
                continue
            body = self._library.get(node.attr["f"].func.name) if node.op in _CALLS else None
            index = int(port.rpartition(":")[2]) if port.rpartition(":")[2].isdecimal() else 0
            if body is None or index >= len(body.signature.output_arg):
                break
            inner = self._enter(node, body, frame)
            if inner is None:
                break
            frame, reference = inner, body.ret[body.signature.output_arg[index].name]
        return frame, _normal(reference)

    def _enter(self, node: Any, body: Any, caller: _Frame) -> _Frame | None:
        name = body.signature.name
        arguments = [argument.name for argument in body.signature.input_arg]
        given = tuple(edge for edge in node.input if not edge.startswith("^"))
        if len(given) != len(arguments):
            return None
        if name not in self._bodies:
            self._bodies[name] = {inner.name: inner for inner in body.node_def}
        positions = {argument: i for i, argument in enumerate(arguments)}
        return _Frame(name, self._bodies[name], body, given, caller, positions)


def _normal(reference: str) -> str:
    return reference if ":" in reference else f"{reference}:0"
