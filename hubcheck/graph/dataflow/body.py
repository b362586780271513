"""The main graph or the body of a function as arrays, with every reference resolved."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cached_property
from sys import intern
from typing import Any

from hubcheck.graph.op_tables import ops
from hubcheck.util.record import record

Port = tuple[int, int]
"""An output of a node: the node's index in its body, and the output's number."""

ARGUMENT = "_Arg"
MISSING = "_Missing"
_MAX_DIGITS = 9
"""Digits of an output's number that are read: Python refuses to convert very long ones."""


@record
class _Edges:
    inputs: list[tuple[Port, ...]]
    controls: dict[int, list[int]]
    results: list[Port]
    control_results: list[int]


class Body:
    """Nodes by index: first the arguments (op `_Arg`), then the NodeDefs in file order.

    References in the main graph ("node:1", "^node") and in functions ("node:output:0", "argument") become the same
    `Port`. A reference to a node that does not exist becomes a port of a node with op `_Missing`, appended under that
    name; nothing raises on a malformed graph.

    A graph can have a million nodes: NodeDefs stay in their message until `node` returns one, and references are
    resolved once, when edges are first needed.
    """

    def __init__(
        self, function: Any | None, nodes: Sequence[Any], outputs_of: Callable[[str], Sequence[ops.Argument] | None]
    ) -> None:
        self.proto: Any = function
        self.function: str | None = function.signature.name if function is not None else None
        self._nodes = nodes
        self._outputs = outputs_of
        arguments = function.signature.input_arg if function is not None else ()
        self.names: list[str] = [argument.name for argument in arguments]
        self.arguments = len(self.names)
        self.ops = [ARGUMENT] * self.arguments
        for node in nodes:
            self.names.append(node.name)
            self.ops.append(intern(node.op))
        self._numbers: dict[tuple[str, str], int] = {}
        last = len(self.names) - 1
        # Of two nodes of one name the first counts, which comes last here.
        self._indices = dict(zip(reversed(self.names), range(last, -1, -1), strict=True))

    def __len__(self) -> int:
        """Return the number of nodes, arguments and missing ones included."""
        _ = self._edges  # finds the missing nodes
        return len(self.names)

    def find(self, name: str) -> int | None:
        """Return the index of the node or argument of that name, None if there is none."""
        return self._indices.get(name)

    def node(self, index: int) -> Any | None:
        """Return the NodeDef, None for an argument or a missing node."""
        position = index - self.arguments
        return self._nodes[position] if 0 <= position < len(self._nodes) else None

    def attribute(self, index: int, name: str) -> Any | None:
        """Return the AttrValue of that name, None if the node has no such attribute."""
        node = self.node(index)
        # Reading a missing key of a protobuf map of messages would add it.
        return node.attr[name] if node is not None and name in node.attr else None

    def randomness(self, index: int) -> ops.Randomness | None:
        """Return in which way a node makes random values, None if it makes none."""
        kind = ops.random_ops().get(self.ops[index])
        # Fractional pooling has an attribute that fixes its regions.
        fixed = self.attribute(index, "deterministic") if kind is not None else None
        return None if fixed is not None and fixed.b else kind

    def inputs(self, index: int) -> tuple[Port, ...]:
        """Return the ports that feed the node's data inputs, in order."""
        try:
            return self._edges.inputs[index]
        except IndexError:  # a missing node
            return ()

    def input(self, index: int, position: int) -> Port | None:
        """Return one of `inputs`, counted from 0; None if there are fewer."""
        inputs = self.inputs(index)
        return inputs[position] if 0 <= position < len(inputs) else None

    def sources(self, index: int) -> list[int]:
        """Return the nodes of `inputs`."""
        return [node for node, _ in self.inputs(index)]

    def controls(self, index: int) -> Sequence[int]:
        """Return the nodes of the control inputs."""
        return self._edges.controls.get(index, ())

    def needs(self, index: int, given: Collection[Port] = ()) -> list[int]:
        """Return the nodes of all inputs, by data and by control, except those of data that is given."""
        inputs = self.inputs(index)
        sources = [port[0] for port in inputs if port not in given] if given else [node for node, _ in inputs]
        return [*sources, *self.controls(index)]

    @property
    def results(self) -> Sequence[Port]:
        """The ports that a function returns, in the order of its signature; none for the main graph."""
        return self._edges.results

    @property
    def control_results(self) -> Sequence[int]:
        """The nodes that a call runs even if no result needs them."""
        return self._edges.control_results

    @cached_property
    def pins(self) -> Mapping[int, str]:
        """The devices that nodes ask for; most nodes ask for none."""
        return {index: node.device for index, node in enumerate(self._nodes, self.arguments) if node.device}

    @cached_property
    def kinds(self) -> frozenset[str]:
        """The ops that the body has."""
        return frozenset(self.ops)

    @cached_property
    def consumers(self) -> list[list[int]]:
        """For each node, the nodes that take any of its outputs as data."""
        consumers: list[list[int]] = [[] for _ in range(len(self))]
        for index, ports in enumerate(self._edges.inputs):
            for source, _ in ports:
                if not consumers[source] or consumers[source][-1] != index:
                    consumers[source].append(index)
        return consumers

    def port(self, reference: str) -> Port:
        """Resolve a reference in a NodeDef's input, a function's result or a TensorInfo.

        A function's body may use the main graph's notation, too; the two cannot be confused.
        """
        name, _, rest = reference.partition(":")
        index = self._indices.get(name)
        if index is None:
            index = self._indices[name] = len(self.names)
            self.names.append(name)
            self.ops.append(MISSING)
        if not rest or rest == "0":
            return (index, 0)
        key = (self.ops[index], rest)
        number = self._numbers.get(key)
        if number is None:
            number = self._number(index, rest)
            if all(argument.is_single for argument in self._outputs(key[0]) or ()):
                self._numbers[key] = number
        return (index, number)

    def __iter__(self) -> Iterator[int]:
        """Iterate over the indices of all nodes except arguments and missing ones."""
        return iter(range(self.arguments, self.arguments + len(self._nodes)))

    def _number(self, index: int, rest: str) -> int:
        """Return the output's number for "1" (main graph, list argument), "output:1" or "output" (function body)."""
        output, _, number = rest.partition(":")
        if output.isdecimal():
            return int(output[:_MAX_DIGITS])
        offset = self._offset(index, output) if index >= self.arguments else 0
        return offset + (int(number[:_MAX_DIGITS]) if number.isdecimal() else 0)

    def _offset(self, index: int, output: str) -> int:
        """Return how many tensors come before this output argument."""
        arguments = self._outputs(self.ops[index])
        if arguments is None or len(arguments) < 2:
            return 0
        offset = 0
        for argument in arguments:
            if argument.name == output:
                return offset
            size = self.attribute(index, argument.dtype if argument.listed else argument.number or "")
            if argument.listed:
                offset += len(size.list.type) if size is not None else 0
            elif argument.number is not None:
                offset += max(size.i, 0) if size is not None else 0
            else:
                offset += 1
        return 0

    @cached_property
    def _edges(self) -> _Edges:
        ports: dict[str, Port] = {}
        inputs: list[tuple[Port, ...]] = [()] * self.arguments
        controls: dict[int, list[int]] = {}
        for node in self._nodes:
            references = node.input
            if not references:
                inputs.append(())
                continue
            node_inputs = []
            for reference in references:
                port = ports.get(reference)
                if port is None:
                    if reference[:1] == "^":
                        controls.setdefault(len(inputs), []).append(self.port(reference[1:])[0])
                        continue
                    port = ports[reference] = self.port(reference)
                node_inputs.append(port)
            inputs.append(tuple(node_inputs))
        if self.proto is None:
            return _Edges(inputs, controls, [], [])
        returned = self.proto.ret
        names = (argument.name for argument in self.proto.signature.output_arg)
        results = [self.port(returned.get(name, f"?{name}")) for name in names]
        return _Edges(inputs, controls, results, [self.port(name)[0] for name in self.proto.control_ret.values()])
