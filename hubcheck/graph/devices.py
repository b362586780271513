"""The device path: what a graph does with its images between input and output."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache

from hubcheck.graph import kernels, ops
from hubcheck.graph.attributes import Attributes, Texts
from hubcheck.graph.body import ARGUMENT, Body, Port
from hubcheck.graph.calls import FUNCTION_OPS, Call
from hubcheck.graph.view import GraphView


class DevicePath:
    """The nodes that hand data of the images on to the outputs.

    A shape is no data of the images: what TensorFlow keeps in host memory does not count on the way. Bodies are
    not told apart by their callers, so all of it is linear in nodes and edges.
    """

    __slots__ = ("_changed", "_needed", "_readers", "_returned", "_sites", "_waiting", "attributes", "view")

    def __init__(
        self, view: GraphView, images: Iterable[tuple[Body, int]], outputs: Iterable[tuple[Body, Port]]
    ) -> None:
        self.view = view
        self._sites: defaultdict[str, dict[tuple[Body, int], list[Call]]] = defaultdict(dict)
        self._needed: dict[Body, bytearray] = {}
        self._changed: dict[Body, bytearray] = {}
        self._readers: dict[Body, list[list[int]]] = {}
        self._returned: dict[Body, dict[int, list[int]]] = {}
        self._waiting: list[tuple[Body, int]] = []
        self.attributes = Attributes(self._sites)
        self._need(list(outputs))
        self._change(images)

    def __iter__(self) -> Iterator[tuple[Body, int]]:
        """The nodes, body by body in their order; arguments and calls are none."""
        for body, changed in self._changed.items():
            for index in body:
                if changed[index] and not self._is_call(body, index):
                    yield body, index

    def values(self, body: Body, index: int) -> tuple[tuple[str, Texts | None], ...]:
        """The attributes of a node that decide which kernel it gets."""
        return tuple((name, self.attributes.value(body, index, name)) for name in _deciding(body.ops[index]))

    # What the outputs need: backwards, by data.

    def _need(self, waiting: list[tuple[Body, Port]]) -> None:
        entered: set[tuple[str | None, Port]] = set()
        while waiting:
            body, port = waiting.pop()
            index, needed = port[0], self._marks(body)
            if self._is_call(body, index):
                if (body.function, port) not in entered:
                    entered.add((body.function, port))
                    waiting += self._behind_call(body, port, first=not needed[index])
                needed[index] = 1
            elif not needed[index]:
                needed[index] = 1
                if body.ops[index] == ARGUMENT:
                    for (caller, site), calls in self._sites[body.function or ""].items():
                        waiting += [given for call in calls for given in _given(caller, site, call, index)]
                waiting += [(body, source) for source in body.inputs(index)]

    def _behind_call(self, body: Body, port: Port, *, first: bool) -> Iterator[tuple[Body, Port]]:
        """What an output of a call is made from: results of its functions, and what they need of its inputs."""
        index, number = port
        followed = False
        for call in self.view.calls(body, index):
            callee = self.view.function(call.function)
            if callee is None:
                continue
            results, marks = callee.results(), self._marks(callee)
            if first:
                self._sites[call.function].setdefault((body, index), []).append(call)
                for argument in range(callee.arguments):
                    if marks[argument]:
                        yield from _given(body, index, call, argument)
            if call.returns and call.role != "loop":
                results = results[number : number + 1]
            if call.role != "condition":
                yield from ((callee, result) for result in results)
            followed = followed or call.returns
        if first and not followed:
            yield from ((body, source) for source in body.inputs(index))

    # What depends on the images: forwards.

    def _change(self, images: Iterable[tuple[Body, int]]) -> None:
        for body, index in images:
            self._touch(body, index)
        while self._waiting:
            body, index = self._waiting.pop()
            self._return(body, index)
            needed = self._needed[body]
            for reader in self._readers_of(body)[index]:
                if not needed[reader]:
                    continue
                if self._is_call(body, reader):
                    self._hand_in(body, reader, index)
                elif not _stays_on_host(body.ops[reader], self.values(body, reader)):
                    self._touch(body, reader)

    def _touch(self, body: Body, index: int) -> None:
        if body not in self._changed:
            self._changed[body] = bytearray(len(self._marks(body)))
        changed = self._changed[body]
        if not changed[index] and self._marks(body)[index]:
            changed[index] = 1
            self._waiting.append((body, index))

    def _hand_in(self, body: Body, index: int, source: int) -> None:
        """A changed input of a call changes the arguments that it becomes."""
        followed = False
        for call in self.view.calls(body, index):
            callee = self.view.function(call.function)
            if callee is None:
                continue
            arguments: Iterable[int] = range(callee.arguments)
            if call.bound:
                inputs = body.inputs(index)[call.first : call.last]
                arguments = [i for i, port in enumerate(inputs[: callee.arguments]) if port[0] == source]
            for argument in arguments:
                self._touch(callee, argument)
            changed = self._changed.get(callee)
            if changed is not None and any(changed[node] for node, _ in callee.results()):
                self._touch(body, index)
            followed = followed or call.returns
        if not followed:
            self._touch(body, index)

    def _return(self, body: Body, index: int) -> None:
        """A changed result of a function changes the nodes that call it, and the next turn of a loop."""
        if body not in self._returned:
            returned: dict[int, list[int]] = {}
            for number, (node, _) in enumerate(body.results()):
                returned.setdefault(node, []).append(number)
            self._returned[body] = returned
        numbers = self._returned[body].get(index)
        for (caller, site), calls in self._sites[body.function or ""].items() if numbers else ():
            self._touch(caller, site)
            if any(call.role == "loop" for call in calls):
                for number in numbers or ():
                    if number < body.arguments:
                        self._touch(body, number)

    # Bookkeeping.

    def _marks(self, body: Body) -> bytearray:
        if body not in self._needed:
            # References to nodes that are not there become nodes when they are met: meet them all first.
            body.inputs(0)
            body.results()
            self._needed[body] = bytearray(len(body))
        return self._needed[body]

    def _readers_of(self, body: Body) -> list[list[int]]:
        if body not in self._readers:
            self._readers[body] = body.consumers()
        return self._readers[body]

    def _is_call(self, body: Body, index: int) -> bool:
        op = body.ops[index]
        return op in FUNCTION_OPS or (op != ARGUMENT and not ops.is_stock(op) and bool(self.view.calls(body, index)))


def _given(body: Body, index: int, call: Call, argument: int) -> list[tuple[Body, Port]]:
    """What a call hands in as an argument of its function."""
    inputs = body.inputs(index)
    chosen = inputs[call.first : call.last][argument : argument + 1] if call.bound else inputs
    return [(body, port) for port in chosen]


@cache
def _deciding(op: str) -> tuple[str, ...]:
    """The attributes on which it depends which kernel an op gets."""
    return tuple(sorted({name for kernel in kernels.kernels(op) for name in kernel.allowed}))


@lru_cache(maxsize=10_000)
def _stays_on_host(op: str, values: tuple[tuple[str, Texts | None], ...]) -> bool:
    """Whether an op, on a GPU, leaves all of its outputs in host memory: shapes and their arithmetic."""
    kernel, definition = kernels.find(op, "GPU", dict(values).get), ops.op_def(op)
    if kernel is None or definition is None:
        return False
    return bool(kernel.host) and all(output.name in kernel.host for output in definition.outputs)
