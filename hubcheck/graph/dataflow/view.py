"""One dataflow view over a GraphDef and its function library."""

from __future__ import annotations

from collections.abc import Collection, Iterable, KeysView, Sequence
from functools import cached_property
from typing import Any

from hubcheck.graph.dataflow.body import Body, Port
from hubcheck.graph.dataflow.calls import FUNCTION_OPS, Call, calls_of
from hubcheck.graph.dataflow.randomness import has_random_op
from hubcheck.graph.op_tables import ops


class GraphView:
    """The main graph and, indexed when they are first asked for, the functions of its library.

    Calls can lead to functions that are not there, and back to themselves: `function` says None, and
    `reachable` visits each function once.
    """

    def __init__(self, graph: Any) -> None:
        # Of two functions with one name the loader takes the last.
        self._library: dict[str, Any] = {function.signature.name: function for function in graph.library.function}
        self._gradients = {entry.function_name: entry.gradient_func for entry in graph.library.gradient}
        self._bodies: dict[str, Body] = {}
        self._calls: dict[tuple[Body, int], Sequence[Call]] = {}
        self.main = Body(None, None, graph.node, (), self._outputs)

    @property
    def size(self) -> int:
        """How many nodes the file has, in the main graph and in all functions."""
        return len(self.main) + sum(len(function.node_def) for function in self._library.values())

    @property
    def functions(self) -> KeysView[str]:
        """The names of all functions in the library."""
        return self._library.keys()

    def function(self, name: str) -> Body | None:
        """The body of a function, None if the library has no such function."""
        body = self._bodies.get(name)
        if body is None and name in self._library:
            proto = self._library[name]
            arguments = [argument.name for argument in proto.signature.input_arg]
            body = self._bodies[name] = Body(name, proto, proto.node_def, arguments, self._outputs)
        return body

    def tensor(self, name: str) -> Port | None:
        """The port of a tensor of the main graph ("images:0"), None if there is no such node."""
        return self.main.port(name) if self.main.find(name.partition(":")[0]) is not None else None

    def calls(self, body: Body, index: int) -> Sequence[Call]:
        """The functions that a node runs, whether or not the library has them."""
        op = body.ops[index]
        if op in self._library:
            return (Call(op, "call"),)
        if op not in FUNCTION_OPS and ops.is_stock(op):
            return ()
        # Every rule asks for every call, and looking through a node's attributes takes its time.
        known = self._calls.get((body, index))
        if known is None:
            known = self._read_calls(body, index)
            if known:
                self._calls[body, index] = known
        return known

    def _read_calls(self, body: Body, index: int) -> Sequence[Call]:
        op, node = body.ops[index], body.node(index)
        if node is None:
            return ()
        calls = list(calls_of(op, node))
        if op == "SymbolicGradient":
            gradients = [self._gradients[call.function] for call in calls if call.function in self._gradients]
            calls += [Call(name, "gradient", bound=False, returns=False) for name in gradients]
        return calls

    def reachable(self, bodies: Iterable[Body]) -> list[Body]:
        """These bodies and all that any node of theirs can run, whatever the path to it; each once."""
        found = {id(body): body for body in bodies}
        waiting = list(found.values())
        while waiting:
            body = waiting.pop()
            # Most ops run no function: one look at each kind of op spares a look at each node.
            kinds = {op for op in set(body.ops) if op in FUNCTION_OPS or op in self._library or not ops.is_stock(op)}
            for index in body if kinds else ():
                for call in self.calls(body, index) if body.ops[index] in kinds else ():
                    callee = self.function(call.function)
                    if callee is not None and id(callee) not in found:
                        found[id(callee)] = callee
                        waiting.append(callee)
        return list(found.values())

    @cached_property
    def random_functions(self) -> Collection[str]:
        """The names of the functions that have a random op, or run a function that has one."""
        callers: dict[str, list[str]] = {}
        random: dict[str, None] = {}
        for name in self._library:
            body = self.function(name)
            assert body is not None
            if has_random_op([body]):
                random[name] = None
            for index in body:
                for call in self.calls(body, index):
                    callers.setdefault(call.function, []).append(name)
        waiting = list(random)
        while waiting:
            for caller in callers.get(waiting.pop(), ()):
                if caller not in random:
                    random[caller] = None
                    waiting.append(caller)
        return random.keys()

    def _outputs(self, op: str) -> Sequence[ops.Argument] | None:
        """The output arguments of an op of TensorFlow or of a function called by its name."""
        if op in self._library:
            return [
                ops.Argument(a.name, a.type_list_attr or a.type_attr, a.number_attr or None, bool(a.type_list_attr))
                for a in self._library[op].signature.output_arg
            ]
        definition = ops.op_def(op)
        return None if definition is None else definition.outputs
