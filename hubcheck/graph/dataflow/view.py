"""A GraphDef and its function library, and which functions its nodes run."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, Literal, NamedTuple

from hubcheck.graph.dataflow.body import Body, Port
from hubcheck.graph.op_tables import ops
from hubcheck.util.walk import closure

Role = Literal["call", "then", "else", "branch", "condition", "loop", "element", "gradient"]


class Call(NamedTuple):
    """One function that a node runs.

    The node's data inputs from `first` up to `last` (None: to the end) become the function's arguments, in order.
    `bound` is False where that is not so: any input can become any argument.
    `returns` says that the function's results are the node's outputs, in order.
    """

    function: str
    role: Role
    first: int = 0
    last: int | None = None
    bound: bool = True
    returns: bool = True


_CONDITIONALS = {"If", "StatelessIf", "_If", "XlaIf"}
_CASES = {"Case", "StatelessCase"}
_LOOPS = {"While", "StatelessWhile", "_While", "XlaWhile", "RiscWhile"}
_ALL: tuple[int, int | None] = (0, None)
_CALLS = {
    **dict.fromkeys(("PartitionedCall", "StatefulPartitionedCall", "BatchFunction", "MapDefun"), _ALL),
    **dict.fromkeys(("XlaLaunch", "XlaLaunchV2", "_TPUReplicate"), _ALL),
    "RemoteCall": (1, None),
    "TPUPartitionedCall": (0, -1),
}
"""The first and last data inputs that ops of plain calls pass to their function."""


def _calls_of(op: str, node: Any) -> Iterator[Call]:
    """Yield the functions in a NodeDef's attributes, sorted by attribute name; branches stay in order."""
    for name, function in _functions(node):
        if op in _CONDITIONALS:
            yield Call(function, "then" if name == "then_branch" else "else", first=1)
        elif op in _CASES:
            yield Call(function, "branch", first=1)
        elif op in _LOOPS:
            yield Call(function, "condition", returns=False) if name == "cond" else Call(function, "loop")
        elif op in _CALLS:
            first, last = _CALLS[op]
            yield Call(function, "call", first, last)
        elif op == "SymbolicGradient":
            # It takes the function's arguments and the gradients of its results, and returns gradients.
            yield Call(function, "gradient", bound=False, returns=False)
        else:
            yield Call(function, "element", bound=False, returns=False)


def _functions(node: Any) -> Iterator[tuple[str, str]]:
    attributes = node.attr
    for name in sorted(attributes):
        value = attributes[name]
        kind = value.WhichOneof("value")
        if kind == "func" and value.func.name:
            yield name, value.func.name
        elif kind == "list":
            yield from ((name, function.name) for function in value.list.func)


class GraphView:
    """The main graph and the functions of its library, each indexed when it is first needed.

    `library` has the FunctionDefs by name, `gradients` the names of functions' own gradient functions.
    Functions can be missing (`function` returns None) or call themselves (`reachable` visits each once).
    """

    def __init__(self, graph: Any) -> None:
        # Of two functions of one name the loader takes the last.
        self.library: dict[str, Any] = {function.signature.name: function for function in graph.library.function}
        self.gradients = {entry.function_name: entry.gradient_func for entry in graph.library.gradient}
        self._bodies: dict[str, Body] = {}
        self._calls: dict[tuple[Body, int], list[Call]] = {}
        self.main = Body(None, graph.node, self._outputs)

    @property
    def size(self) -> int:
        """The number of nodes in the main graph and in all functions."""
        return len(self.main.ops) + sum(len(function.node_def) for function in self.library.values())

    def function(self, name: str) -> Body | None:
        """Return the body of a function, None if the library has no such function."""
        body = self._bodies.get(name)
        if body is None and name in self.library:
            proto = self.library[name]
            body = self._bodies[name] = Body(proto, proto.node_def, self._outputs)
        return body

    def tensor(self, name: str) -> Port | None:
        """Return the port of a tensor of the main graph ("images:0"), None if there is no such node."""
        return self.main.port(name) if self.main.find(name.partition(":")[0]) is not None else None

    def calls(self, body: Body, index: int) -> Sequence[Call]:
        """Return the functions that a node runs, whether or not the library has them."""
        op = body.ops[index]
        if op in self.library:
            return (Call(op, "call"),)
        if not self.is_call(op):
            return ()
        # Reading a node's attributes is slow, and every rule needs every call.
        calls = self._calls.get((body, index))
        if calls is None:
            node = body.node(index)
            calls = list(_calls_of(op, node)) if node is not None else []
            if op == "SymbolicGradient":
                gradients = [self.gradients[call.function] for call in calls if call.function in self.gradients]
                calls += [Call(name, "gradient", bound=False, returns=False) for name in gradients]
            if calls:
                self._calls[body, index] = calls
        return calls

    def reachable(self, bodies: Iterable[Body]) -> list[Body]:
        """Return these bodies and all that any of their nodes can run, each once."""
        return closure(bodies, self._callees)

    def _callees(self, body: Body) -> Iterator[Body]:
        # Most ops run no function: testing each op once is faster than reading each node.
        kinds = {op for op in body.kinds if self.is_call(op)}
        for index in body if kinds else ():
            for call in self.calls(body, index) if body.ops[index] in kinds else ():
                callee = self.function(call.function)
                if callee is not None:
                    yield callee

    def is_call(self, op: str) -> bool:
        """Return whether nodes with this op can run functions."""
        return op in ops.function_ops() or op in self.library or not ops.is_stock(op)

    @cached_property
    def random_functions(self) -> Collection[str]:
        """The names of the functions that have a random op, or run a function that has one."""
        callers: dict[str, list[str]] = {}
        bodies = {name: body for name in self.library if (body := self.function(name)) is not None}
        for name, body in bodies.items():
            for callee in self._callees(body):
                callers.setdefault(callee.function or "", []).append(name)
        table = ops.random_ops().keys()
        random = (name for name, body in bodies.items() if not table.isdisjoint(body.kinds))
        return frozenset(closure(random, lambda name: callers.get(name, ())))

    def calls_random(self, body: Body, index: int) -> bool:
        """Return whether a node runs a function with a random op."""
        return any(call.function in self.random_functions for call in self.calls(body, index))

    def _outputs(self, op: str) -> Sequence[ops.Argument] | None:
        """Return the output arguments of one of TensorFlow's ops, or of a function called by its name as op."""
        if op in self.library:
            return list(map(ops.argument_from, self.library[op].signature.output_arg))
        definition = ops.op_def(op)
        return None if definition is None else definition.outputs
