"""The device path: what a graph computes from its images between input and output."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, cached_property, lru_cache

from hubcheck.graph.dataflow.body import ARGUMENT, Body, Port
from hubcheck.graph.dataflow.control_flow_v1 import MERGES
from hubcheck.graph.dataflow.execution import Execution
from hubcheck.graph.dataflow.view import Call, GraphView
from hubcheck.graph.devices import kernels
from hubcheck.graph.devices.kernels import KernelAttributes, Texts
from hubcheck.graph.op_tables import ops

_Node = tuple[Body, int]
_Output = tuple[Body, Port]
Kind = tuple[str, tuple[tuple[str, Texts | None], ...]]
"""An op with the attributes that decide which kernel a node gets."""


class DevicePath:
    """The nodes that pass data of the images on to the outputs.

    A shape is not data of the images: what TensorFlow keeps in host memory ends the path. Two callers of one function
    are not told apart, so everything is linear in nodes and edges. `branches` says which branches of conditionals are
    taken; None if all are.
    """

    def __init__(
        self, view: GraphView, images: Iterable[_Node], outputs: Iterable[_Output], branches: Execution | None = None
    ) -> None:
        self.view = view
        self._branches = branches
        self._call_ops = ops.function_ops() | view.library.keys()
        self._sites: defaultdict[str, dict[_Node, list[Call]]] = defaultdict(dict)
        self._needed, self._changed = _Marks(), _Marks()
        self._positions: dict[tuple[Body, int | None], dict[int, list[int]]] = {}
        self._in_loop: dict[Body, bool] = {}
        self._unbound: set[Body | _Node] = set()
        self._waiting: list[_Node] = []
        self._attributes = KernelAttributes(self._sites)
        self._need(list(outputs))
        self._change(images)

    @cached_property
    def nodes(self) -> Mapping[Kind, list[_Node]]:
        """The nodes by kind, in file order, without arguments and calls of the graph's functions."""
        kinds: dict[Kind, list[_Node]] = {}
        for body, changed in self._changed.items():
            for index in body:
                op = body.ops[index]
                if changed[index] and (op not in self._call_ops or not self.view.calls(body, index)):
                    kinds.setdefault((op, self._values(body, index)), []).append((body, index))
        return kinds

    def _values(self, body: Body, index: int) -> tuple[tuple[str, Texts | None], ...]:
        return tuple((name, self._attributes.value(body, index, name)) for name in _kernel_attributes(body.ops[index]))

    # What the outputs need: backwards, by data.

    def _need(self, waiting: list[_Output]) -> None:
        entered: set[_Output] = set()
        while waiting:
            body, port = waiting.pop()
            if body.ops[port[0]] not in self._call_ops:
                self._need_node(body, port[0], waiting)
            elif (body, port) not in entered:
                entered.add((body, port))
                needed = self._needed[body]
                first, needed[port[0]] = not needed[port[0]], 1
                waiting += self._behind_call(body, port, first=first)

    def _need_node(self, body: Body, start: int, waiting: list[_Output]) -> None:
        """Mark a node and all behind it in its body, up to calls."""
        needed, ops, call_ops = self._needed[body], body.ops, self._call_ops
        stack = [start]
        while stack:
            index = stack.pop()
            if needed[index]:
                continue
            needed[index] = 1
            after_call = False
            merged = self._branches is not None and ops[index] in MERGES
            for source, _ in self._taken(body, index) if merged else body.inputs(index):
                if ops[source] in call_ops:
                    after_call = True
                elif not needed[source]:
                    stack.append(source)
            if after_call:
                waiting += [(body, port) for port in body.inputs(index) if ops[port[0]] in call_ops]
            if ops[index] == ARGUMENT:
                for (caller, site), calls in self._sites[body.function or ""].items():
                    waiting += [passed for call in calls for passed in self._passed(caller, site, call, index)]

    def _behind_call(self, body: Body, port: Port, *, first: bool) -> Iterator[_Output]:
        """Yield what an output of a call is made from: results of its functions, and inputs that they need."""
        index, number = port
        followed = False
        for call in self._calls(body, index):
            callee = self.view.function(call.function)
            if callee is None:
                continue
            results, needed = callee.results, self._needed[callee]
            if first:
                self._sites[call.function].setdefault((body, index), []).append(call)
                for argument in range(callee.arguments):
                    if needed[argument]:
                        yield from self._passed(body, index, call, argument)
            if call.returns and (call.role != "loop" or not first):
                results = results[number : number + 1]
            if call.returns or (first and call.role != "condition"):
                yield from ((callee, result) for result in results)
            followed = followed or call.returns
        if first and not followed:
            yield from ((body, source) for source in body.inputs(index))

    def _calls(self, body: Body, index: int) -> Iterable[Call]:
        """Return the functions that a node runs, without branches that are not taken."""
        calls = self.view.calls(body, index)
        if self._branches is None:
            return calls
        return [call for call in calls if self._branches.takes(body, index, call.function)]

    def _taken(self, body: Body, merge: int) -> Iterator[Port]:
        """Yield the ports that a Merge takes its value from."""
        for port in body.inputs(merge):
            if self._branches is None or self._branches.runs(body, port):
                yield port

    def _passed(self, body: Body, index: int, call: Call, argument: int) -> Iterable[_Output]:
        """Return what a call passes as an argument of its function: any of its inputs (once) if it is not bound."""
        if call.bound:
            port = body.input(index, call.first + argument)
            return [] if port is None else [(body, port)]
        return [(body, port) for port in body.inputs(index)] if self._is_first((body, index)) else []

    def _is_first(self, unbound: Body | _Node) -> bool:
        """Return whether a call without bound arguments, or its function, is met for the first time."""
        first = unbound not in self._unbound
        self._unbound.add(unbound)
        return first

    # What depends on the images: forwards.

    def _change(self, images: Iterable[_Node]) -> None:
        for body, index in images:
            self._touch(body, index)
        while self._waiting:
            body, index = self._waiting.pop()
            needed, changed = self._needed[body], self._changed[body]
            results = self._positions_in(body)
            stack = [index]
            while stack:
                index = stack.pop()
                if index in results:
                    self._return(body, results[index])
                for consumer in body.consumers[index]:
                    op = body.ops[consumer]
                    if not needed[consumer]:
                        continue
                    if op in self._call_ops:
                        self._pass(body, consumer, index)
                    elif not changed[consumer] and not (
                        _may_stay_on_host(op) and _stays_on_host(op, self._values(body, consumer))
                    ):
                        changed[consumer] = 1
                        stack.append(consumer)

    def _touch(self, body: Body, index: int) -> None:
        changed = self._changed[body]
        if not changed[index] and self._needed[body][index]:
            changed[index] = 1
            self._waiting.append((body, index))

    def _pass(self, body: Body, index: int, source: int) -> None:
        """Mark the arguments that an input of a call becomes."""
        followed = False
        for call in self._calls(body, index):
            callee = self.view.function(call.function)
            if callee is None:
                continue
            followed = followed or call.returns
            if call.bound:
                for position in self._positions_in(body, index).get(source, ()):
                    if 0 <= position - call.first < callee.arguments:
                        self._touch(callee, position - call.first)
            elif self._is_first(callee):
                for argument in range(callee.arguments):
                    self._touch(callee, argument)
        if not followed:
            self._touch(body, index)

    def _return(self, body: Body, numbers: Iterable[int]) -> None:
        """Mark the nodes that call a function, and the arguments of a loop's next turn."""
        sites = self._sites[body.function or ""]
        if body not in self._in_loop:
            self._in_loop[body] = any(call.role == "loop" for calls in sites.values() for call in calls)
            for caller, site in sites:
                self._touch(caller, site)
        for number in numbers if self._in_loop[body] else ():
            if number < body.arguments:
                self._touch(body, number)

    def _positions_in(self, body: Body, call: int | None = None) -> dict[int, list[int]]:
        """Return for each node the positions that it has among the inputs of a call, or (None) the body's results."""
        if (body, call) not in self._positions:
            positions: dict[int, list[int]] = {}
            for position, (node, _) in enumerate(body.results if call is None else body.inputs(call)):
                positions.setdefault(node, []).append(position)
            self._positions[body, call] = positions
        return self._positions[body, call]


class _Marks(dict[Body, bytearray]):
    """A mark for each node of each body."""

    def __missing__(self, body: Body) -> bytearray:
        self[body] = marks = bytearray(len(body))
        return marks


@cache
def _kernel_attributes(op: str) -> tuple[str, ...]:
    """Return the attributes that decide which kernel an op gets."""
    return tuple(sorted({name for kernel in kernels.kernels(op) for name in kernel.allowed}))


@cache
def _may_stay_on_host(op: str) -> bool:
    """Return whether an op has kernels that leave all outputs in host memory, as few ops do."""
    definition = ops.op_def(op)
    names = {output.name for output in definition.outputs} if definition is not None else set()
    return any(kernel.device != "CPU" and names <= kernel.host for kernel in kernels.kernels(op))


@lru_cache(maxsize=10_000)
def _stays_on_host(op: str, values: tuple[tuple[str, Texts | None], ...]) -> bool:
    """Return whether an op, on a GPU, leaves all of its outputs in host memory: shapes and their arithmetic."""
    kernel, definition = kernels.kernel_for(op, "GPU", dict(values).get), ops.op_def(op)
    if kernel is None or definition is None:
        return False
    return bool(kernel.host) and all(output.name in kernel.host for output in definition.outputs)
