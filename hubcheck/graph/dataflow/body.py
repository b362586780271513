"""One graph as arrays: the main graph or the body of a function, with every reference resolved."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from hubcheck.graph.op_tables import ops

Port = tuple[int, int]
"""An output of a node: the node's index in its body and the output's number, as in "node:number"."""

ARGUMENT = "_Arg"
MISSING = "_Missing"


class Body:
    """Nodes by index: first the arguments (op `_Arg`), then the NodeDefs in file order.

    References of both notations, "node:1" and "^node" of the main graph and "node:output:0" and "argument"
    of functions, become the same `Port`. A reference to a node that is not there becomes a port of a node
    with op `_Missing`, appended under the name that was asked for; nothing raises on a broken graph.

    Memory and speed decide here: a graph can have a million nodes, so NodeDefs stay in their message until
    `node` asks for one, and references are resolved once, on the first question about edges.
    """

    __slots__ = (
        "_controls",
        "_indices",
        "_inputs",
        "_outputs",
        "_protos",
        "_results",
        "arguments",
        "function",
        "names",
        "ops",
        "proto",
    )

    def __init__(
        self,
        function: str | None,
        proto: Any,
        protos: Sequence[Any],
        arguments: Sequence[str],
        outputs_of: Callable[[str], Sequence[ops.Argument] | None],
    ) -> None:
        self.function = function
        self.proto = proto
        self.arguments = len(arguments)
        self._protos = protos
        self._outputs = outputs_of
        self._results: Sequence[Port] | None = None
        same: dict[str, str] = {}
        self.names = list(arguments)
        self.ops = [ARGUMENT] * len(arguments)
        for node in protos:
            self.names.append(node.name)
            op = node.op
            self.ops.append(same.setdefault(op, op))
        self._indices: dict[str, int] = {}
        for index, name in enumerate(self.names):
            self._indices.setdefault(name, index)
        self._inputs: list[tuple[Port, ...]] | None = None
        self._controls: dict[int, list[int]] = {}

    def __len__(self) -> int:
        """How many nodes there are, the arguments included."""
        return len(self.names)

    def __repr__(self) -> str:
        return f"Body({self.function or 'main graph'}, {len(self)} nodes)"

    def find(self, name: str) -> int | None:
        """The index of the node or argument of that name."""
        return self._indices.get(name)

    def node(self, index: int) -> Any | None:
        """The NodeDef, None for an argument or a missing node."""
        position = index - self.arguments
        return self._protos[position] if 0 <= position < len(self._protos) else None

    def attribute(self, index: int, name: str) -> Any | None:
        """The AttrValue of that name, None where the node has no such attribute."""
        node = self.node(index)
        # Asking a map of messages for a key that it lacks would add it.
        return node.attr[name] if node is not None and name in node.attr else None

    def inputs(self, index: int) -> tuple[Port, ...]:
        """The ports that feed the node's data inputs, in their order."""
        inputs = self._connected() if self._inputs is None else self._inputs
        return inputs[index] if index < len(inputs) else ()

    def input(self, index: int, position: int) -> Port | None:
        """One of `inputs`, counted from 0."""
        inputs = self.inputs(index)
        return inputs[position] if 0 <= position < len(inputs) else None

    def sources(self, index: int) -> list[int]:
        """The nodes of `inputs` without the numbers of their outputs."""
        return [node for node, _ in self.inputs(index)]

    def controls(self, index: int) -> Sequence[int]:
        """The nodes that run before this one without feeding it."""
        if self._inputs is None:
            self._connected()
        return self._controls.get(index, ())

    def results(self) -> Sequence[Port]:
        """The ports that a function returns, in the order of its signature; none for the main graph."""
        if self._results is None:
            returned, arguments = (self.proto.ret, self.proto.signature.output_arg) if self.function else ({}, ())
            self._results = [self.port(returned.get(arg.name, f"?{arg.name}")) for arg in arguments]
        return self._results

    def control_results(self) -> list[int]:
        """The nodes that a call runs even where no result needs them."""
        if self.function is None:
            return []
        return [self.port(name)[0] for name in self.proto.control_ret.values()]

    def port(self, reference: str) -> Port:
        """Resolve a reference as it stands in a NodeDef's input, a function's result or a TensorInfo.

        A function's body may be written in the main graph's notation too; the two cannot be confused.
        """
        name, _, rest = reference.partition(":")
        index = self._indices.get(name)
        if index is None:
            index = self._indices[name] = len(self.names)
            self.names.append(name)
            self.ops.append(MISSING)
        return (index, self._number(index, rest) if rest else 0)

    def consumers(self) -> list[list[int]]:
        """For each node, the nodes that take any of its outputs as data. Built anew on each call: keep it."""
        inputs = self._connected() if self._inputs is None else self._inputs
        readers: list[list[int]] = [[] for _ in self.names]
        for index, ports in enumerate(inputs):
            for source, _ in ports:
                if not readers[source] or readers[source][-1] != index:
                    readers[source].append(index)
        return readers

    def __iter__(self) -> Iterator[int]:
        """The indices of all nodes but arguments and missing ones."""
        return iter(range(self.arguments, self.arguments + len(self._protos)))

    def _number(self, index: int, rest: str) -> int:
        """The flat number of "1" (main graph, list argument), "output:1" or "output" (function body)."""
        output, _, number = rest.partition(":")
        if output.isdecimal():
            return int(output[:9])
        offset = self._offset(index, output) if index >= self.arguments else 0
        return offset + (int(number[:9]) if number.isdecimal() else 0)

    def _offset(self, index: int, output: str) -> int:
        """How many tensors come before this output argument."""
        arguments = self._outputs(self.ops[index])
        if arguments is None or len(arguments) < 2:
            return 0
        offset = 0
        for argument in arguments:
            if argument.name == output:
                return offset
            size = self.attribute(index, argument.dtype if argument.listed else argument.count or "")
            if argument.listed:
                offset += len(size.list.type) if size is not None else 0
            elif argument.count is not None:
                offset += max(size.i, 0) if size is not None else 0
            else:
                offset += 1
        return 0

    def _connected(self) -> list[tuple[Port, ...]]:
        """Resolve all references."""
        ports: dict[str, Port] = {}
        inputs: list[tuple[Port, ...]] = [()] * self.arguments
        for node in self._protos:
            found = []
            for reference in node.input:
                port = ports.get(reference)
                if port is None:
                    if reference[:1] == "^":
                        self._controls.setdefault(len(inputs), []).append(self.port(reference[1:])[0])
                        continue
                    port = ports[reference] = self.port(reference)
                found.append(port)
            inputs.append(tuple(found))
        self._inputs = inputs
        return inputs
