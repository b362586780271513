"""The device path: what a graph does with its images between input and output."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache

from hubcheck.graph.dataflow.body import ARGUMENT, Body, Port
from hubcheck.graph.dataflow.calls import FUNCTION_OPS, Call
from hubcheck.graph.dataflow.view import GraphView
from hubcheck.graph.devices.kernel_attributes import Attributes, Texts
from hubcheck.graph.op_tables import kernels, ops


class DevicePath:
    """The nodes that hand data of the images on to the outputs.

    A shape is no data of the images: what TensorFlow keeps in host memory does not count on the way. Bodies are
    not told apart by their callers, so all of it is linear in nodes and edges.
    """

    __slots__ = (
        "_answered",
        "_calls",
        "_changed",
        "_functions",
        "_mixed",
        "_needed",
        "_opened",
        "_positions",
        "_readers",
        "_returned",
        "_sites",
        "_waiting",
        "attributes",
        "view",
    )

    def __init__(
        self, view: GraphView, images: Iterable[tuple[Body, int]], outputs: Iterable[tuple[Body, Port]]
    ) -> None:
        self.view = view
        self._functions = frozenset(view.library)
        self._calls: dict[str, bool] = {}
        self._sites: defaultdict[str, dict[tuple[Body, int], list[Call]]] = defaultdict(dict)
        self._needed: dict[Body, bytearray] = {}
        self._changed: dict[Body, bytearray] = {}
        self._readers: dict[Body, list[list[int]]] = {}
        self._returned: dict[Body, dict[int, list[int]]] = {}
        self._answered: dict[Body, bool] = {}
        self._positions: dict[tuple[Body, int], dict[int, list[int]]] = {}
        self._mixed: set[Body] = set()
        self._opened: set[tuple[Body, int]] = set()
        self._waiting: list[tuple[Body, int]] = []
        self.attributes = Attributes(self._sites)
        self._need(list(outputs))
        self._change(images)

    def __iter__(self) -> Iterator[tuple[Body, int]]:
        """The nodes, body by body in their order; arguments and calls are none."""
        for body, changed in self._changed.items():
            for index in body:
                if changed[index] and not self._is_call(body.ops[index]):
                    yield body, index

    def values(self, body: Body, index: int) -> tuple[tuple[str, Texts | None], ...]:
        """The attributes of a node that decide which kernel it gets."""
        return tuple((name, self.attributes.value(body, index, name)) for name in _deciding(body.ops[index]))

    # What the outputs need: backwards, by data.

    def _need(self, waiting: list[tuple[Body, Port]]) -> None:
        entered: set[tuple[str | None, Port]] = set()
        while waiting:
            body, port = waiting.pop()
            if not self._is_call(body.ops[port[0]]):
                self._need_node(body, port[0], waiting)
            elif (body.function, port) not in entered:
                entered.add((body.function, port))
                marks = self._marks(body)
                first, marks[port[0]] = not marks[port[0]], 1
                waiting += self._behind_call(body, port, first=first)

    def _need_node(self, body: Body, start: int, waiting: list[tuple[Body, Port]]) -> None:
        """Mark a node and all behind it in its body, up to calls."""
        needed, names, sources, is_call = self._marks(body), body.ops, body.sources, self._is_call
        stack = [start]
        while stack:
            index = stack.pop()
            if needed[index]:
                continue
            needed[index] = 1
            called = False
            for source in sources(index):
                if is_call(names[source]):
                    called = True
                elif not needed[source]:
                    stack.append(source)
            if called:
                waiting += [(body, port) for port in body.inputs(index) if is_call(names[port[0]])]
            if names[index] == ARGUMENT:
                for (caller, site), calls in self._sites[body.function or ""].items():
                    waiting += [given for call in calls for given in self._given(caller, site, call, index)]

    def _behind_call(self, body: Body, port: Port, *, first: bool) -> Iterator[tuple[Body, Port]]:
        """What an output of a call is made from: results of its functions, and what they need of its inputs."""
        index, number = port
        followed = False
        for call in self.view.calls(body, index):
            callee = self.view.function(call.function)
            if callee is None:
                continue
            results, marks = callee.results, self._marks(callee)
            if first:
                self._sites[call.function].setdefault((body, index), []).append(call)
                for argument in range(callee.arguments):
                    if marks[argument]:
                        yield from self._given(body, index, call, argument)
            if call.returns and (call.role != "loop" or not first):
                results = results[number : number + 1]
            if call.returns or (first and call.role != "condition"):
                yield from ((callee, result) for result in results)
            followed = followed or call.returns
        if first and not followed:
            yield from ((body, source) for source in body.inputs(index))

    def _given(self, body: Body, index: int, call: Call, argument: int) -> Iterable[tuple[Body, Port]]:
        """What a call hands in as an argument of its function; all that it has, once, where that cannot be told."""
        if call.bound:
            port = body.input(index, call.first + argument)
            return [] if port is None else [(body, port)]
        if (body, index) in self._opened:
            return []
        self._opened.add((body, index))
        return [(body, port) for port in body.inputs(index)]

    # What depends on the images: forwards.

    def _change(self, images: Iterable[tuple[Body, int]]) -> None:
        for body, index in images:
            self._touch(body, index)
        while self._waiting:
            body, index = self._waiting.pop()
            needed, changed, readers = self._needed[body], self._changed[body], self._readers_of(body)
            returned = self._returned_by(body)
            stack = [index]
            while stack:
                index = stack.pop()
                if index in returned:
                    self._return(body, returned[index])
                for reader in readers[index]:
                    if not needed[reader]:
                        continue
                    op = body.ops[reader]
                    if self._is_call(op):
                        self._hand_in(body, reader, index)
                    elif not changed[reader] and not (_may_stay(op) and _stays_on_host(op, self.values(body, reader))):
                        changed[reader] = 1
                        stack.append(reader)

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
            followed = followed or call.returns
            if call.bound:
                for position in self._positions_of(body, index).get(source, ()):
                    if 0 <= position - call.first < callee.arguments:
                        self._touch(callee, position - call.first)
            elif callee not in self._mixed:
                self._mixed.add(callee)
                for argument in range(callee.arguments):
                    self._touch(callee, argument)
        if not followed:
            self._touch(body, index)

    def _return(self, body: Body, numbers: Iterable[int]) -> None:
        """A changed result of a function changes the nodes that call it, and the next turn of a loop."""
        sites = self._sites[body.function or ""]
        if body not in self._answered:
            self._answered[body] = any(call.role == "loop" for calls in sites.values() for call in calls)
            for caller, site in sites:
                self._touch(caller, site)
        for number in numbers if self._answered[body] else ():
            if number < body.arguments:
                self._touch(body, number)

    # Bookkeeping.

    def _marks(self, body: Body) -> bytearray:
        if body not in self._needed:
            self._needed[body] = bytearray(len(body))
        return self._needed[body]

    def _positions_of(self, body: Body, index: int) -> dict[int, list[int]]:
        """For each node that feeds a call, which of its inputs."""
        if (body, index) not in self._positions:
            positions: dict[int, list[int]] = {}
            for position, source in enumerate(body.sources(index)):
                positions.setdefault(source, []).append(position)
            self._positions[body, index] = positions
        return self._positions[body, index]

    def _returned_by(self, body: Body) -> dict[int, list[int]]:
        """For each node that gives results of a function, which ones."""
        if body not in self._returned:
            returned: dict[int, list[int]] = {}
            for number, (node, _) in enumerate(body.results):
                returned.setdefault(node, []).append(number)
            self._returned[body] = returned
        return self._returned[body]

    def _readers_of(self, body: Body) -> list[list[int]]:
        if body not in self._readers:
            self._readers[body] = body.consumers
        return self._readers[body]

    def _is_call(self, op: str) -> bool:
        """Whether nodes with this op can run functions."""
        known = self._calls.get(op)
        if known is None:
            known = op in FUNCTION_OPS or op in self._functions
            self._calls[op] = known
        return known


@cache
def _deciding(op: str) -> tuple[str, ...]:
    """The attributes on which it depends which kernel an op gets."""
    return tuple(sorted({name for kernel in kernels.kernels(op) for name in kernel.allowed}))


@cache
def _may_stay(op: str) -> bool:
    """Whether there are kernels that leave all outputs in host memory: most ops have none."""
    definition = ops.op_def(op)
    names = {output.name for output in definition.outputs} if definition is not None else set()
    return any(kernel.device != "CPU" and names <= kernel.host for kernel in kernels.kernels(op))


@lru_cache(maxsize=10_000)
def _stays_on_host(op: str, values: tuple[tuple[str, Texts | None], ...]) -> bool:
    """Whether an op, on a GPU, leaves all of its outputs in host memory: shapes and their arithmetic."""
    kernel, definition = kernels.find(op, "GPU", dict(values).get), ops.op_def(op)
    if kernel is None or definition is None:
        return False
    return bool(kernel.host) and all(output.name in kernel.host for output in definition.outputs)
