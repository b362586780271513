"""A graph with its calls unfolded: each call has its function's body to itself, entered when it is asked for.

So a value can be followed through calls, branches and loops without mixing up two callers of one function.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Literal, TypeGuard

from hubcheck.graph.dataflow.body import ARGUMENT, Body, Port
from hubcheck.graph.dataflow.calls import FUNCTION_OPS, Call
from hubcheck.graph.dataflow.constant_randomness import MASK_OPS, is_constant_draw
from hubcheck.graph.dataflow.constants import Constant
from hubcheck.graph.dataflow.control_flow_v1 import MERGES, SWITCHES, conditional_depth, predicate
from hubcheck.graph.dataflow.folding import Fold, fold
from hubcheck.graph.dataflow.frame import CallFrame, Value
from hubcheck.graph.dataflow.view import GraphView
from hubcheck.graph.op_tables.elementwise import SAME, SELECTS
from hubcheck.module.limits import LIMITS


class InlinedGraph:
    """The frames of one graph.

    Args:
        view: the graph.
        fed: nodes of the main graph that a signature feeds: they are nobody's constants.
        max_depth: calls within calls that are followed; deeper ones mostly lead back to themselves.

    `exhausted` tells that not all calls were followed: "depth" or "size" of them is why.
    """

    def __init__(self, view: GraphView, *, fed: Collection[int] = (), max_depth: int = LIMITS.function_depth) -> None:
        self.view = view
        self.main = CallFrame(view.main)
        self._fed = frozenset(fed)
        self._special = frozenset({ARGUMENT, "IdentityN", *MERGES, *SELECTS, *MASK_OPS, *FUNCTION_OPS, *view.library})
        # Functions that call others twice, a few dozen times over, unfold without end.
        self._budget = _LEAST_BUDGET + _TIMES_UNFOLDED * view.size
        self._deciding = 0
        self._max_depth = max_depth
        self.exhausted: Literal["depth", "size"] | None = None

    def root(self, function: str, bindings: Mapping[int, Port]) -> CallFrame | None:
        """A frame for a function that is called from outside, None if the graph has no such function."""
        body = self.view.function(function)
        if body is None:
            return None
        frame = CallFrame(body)
        frame.bindings = {argument: (self.main, *port) for argument, port in bindings.items()}
        return frame

    @property
    def special(self) -> frozenset[str]:
        """The ops for which `passes` may give something: a node of any other op computes its outputs itself."""
        return self._special

    def passes(self, value: Value) -> list[Value] | None:
        """The values of which this one is, unchanged, one or the other; None if its node computes it.

        Arguments are what the caller gives, results what the function returns; of a conditional or a selection
        whose condition is a constant, only what is taken; of a loop, its start and its last turn. A random draw
        that always has the same outcome is made of nothing.
        """
        frame, node, number = value
        op = frame.body.ops[node]
        if op not in self._special:
            return None
        if op == ARGUMENT:
            return self._given(frame, node)
        if op == "IdentityN":
            return frame.inputs(node)[number : number + 1] or None
        if op in MERGES:
            return [source for source in frame.inputs(node) if conditional_depth(self, source) >= 0]
        if op in SELECTS:
            return self._selected(frame, node)
        if op in MASK_OPS:
            return [] if is_constant_draw(self, value) else None
        return self._returned(frame, node, number)

    def see_through(self, value: Value) -> Value:
        """Return the value of which this one is an unchanged copy: the other end of identities, arguments and calls."""
        for _ in range(_MAX_CHAIN):
            frame, node, _ = value
            sources = frame.inputs(node)[:1] if frame.op(node) in _COPIES else self.passes(value)
            if not sources or len(sources) > 1:
                break
            value = sources[0]
        return value

    def callees(self, frame: CallFrame, node: int) -> list[CallFrame] | None:
        """The frames of the functions whose results are a node's outputs; of a loop, its condition too.

        None if the node calls nothing, or something that cannot be followed.
        """
        if node in frame.callees:
            return frame.callees[node]
        entered = self._enter(frame, node, self.view.calls(frame.body, node))
        frame.callees[node] = entered
        return entered

    def condition(self, frame: CallFrame, node: int) -> Value | None:
        """The value on which it depends what a node passes on: the predicate of an undecided conditional."""
        if frame.body.ops[node] in MERGES:
            return predicate(frame, node)
        callees = self.callees(frame, node)
        if callees and len(callees) > 1 and callees[0].call is not None and callees[0].call.role in _CHOICES:
            return next(iter(frame.inputs(node)), None)
        return None

    def constant(self, value: Value) -> Constant | None:
        """The value, if it is the same small constant in every run."""
        return fold(value, self.fold_step)

    def fold_step(self, value: Value) -> Fold:
        """How a constant is found one step back, see folding.fold."""
        frame, node, _ = value
        op = frame.body.ops[node]
        if op in MERGES:
            return "same", frame.inputs(node)
        passed = None if op in SELECTS or op in MASK_OPS else self.passes(value)
        if passed is not None:
            return "same", passed
        if op == "Const":
            return "constant", []
        if op == "PlaceholderWithDefault" and (frame is not self.main or node not in self._fed):
            return "same", frame.inputs(node)
        if op in SWITCHES:
            return "same", frame.inputs(node)[:1]
        return op, frame.inputs(node)

    def _given(self, frame: CallFrame, argument: int) -> list[Value] | None:
        if frame.caller is None:
            return [frame.bindings[argument]] if argument in frame.bindings else None
        assert frame.call is not None
        given = _given_to(frame.call, frame.caller.body.inputs(frame.site), argument)
        if given is None:
            return None
        if frame.call.role not in ("loop", "condition"):
            return [(frame.caller, *given)]
        turn = [f for f in frame.caller.callees[frame.site] or () if f.call is not None and f.call.role == "loop"]
        return [(frame.caller, *given), *(r for r in self._result(turn, argument) if not _is_argument(r, argument))]

    def _selected(self, frame: CallFrame, node: int) -> list[Value] | None:
        inputs = frame.inputs(node)
        condition = self.constant(inputs[0]) if len(inputs) == 3 else None
        if condition is None or condition.scalar is None:
            return None
        return [inputs[1] if condition.scalar else inputs[2]]

    def _returned(self, frame: CallFrame, node: int, number: int) -> list[Value] | None:
        callees = self.callees(frame, node)
        if not callees:
            return None
        returning = [callee for callee in callees if callee.call is not None and callee.call.returns]
        results = self._result(returning, number)
        if len(results) < len(returning):
            return None
        if any(callee.call is not None and callee.call.role == "loop" for callee in returning):
            results = [*frame.inputs(node)[number : number + 1], *results]
        return results

    def _result(self, frames: Iterable[CallFrame], number: int) -> list[Value]:
        found = []
        for frame in frames:
            results = frame.body.results
            if number < len(results):
                found.append((frame, *results[number]))
        return found

    def _enter(self, frame: CallFrame, node: int, calls: Sequence[Call]) -> list[CallFrame] | None:
        bodies = [self.view.function(call.function) for call in calls]
        if not calls or not _all_there(bodies) or not all(call.bound for call in calls):
            return None
        taken, decided = self._taken(frame, node, calls)
        if frame.depth >= self._max_depth or self._budget < 0:
            self.exhausted = "size" if self._budget < 0 else "depth"
            return None
        self._budget -= sum(len(bodies[position]) for position in taken)
        conditional = frame.conditional or not decided
        return [CallFrame(bodies[position], frame, node, calls[position], conditional) for position in taken]

    def _taken(self, frame: CallFrame, node: int, calls: Sequence[Call]) -> tuple[Sequence[int], bool]:
        """Which of a node's functions can run, and whether that is known."""
        everything = range(len(calls))
        if calls[0].role not in _CHOICES:
            return everything, True
        inputs = frame.inputs(node)
        if not inputs or self._deciding > _MOST_DECISIONS:
            return everything, False
        self._deciding += 1
        predicate = self.constant(inputs[0])
        self._deciding -= 1
        if predicate is None or predicate.scalar is None:
            return everything, False
        if calls[0].role == "branch":
            chosen = int(predicate.scalar)
            return [chosen if 0 <= chosen < len(calls) else len(calls) - 1], True
        role = "then" if predicate.scalar else "else"
        return [i for i in everything if calls[i].role == role], True


_LEAST_BUDGET = 20_000
_TIMES_UNFOLDED = 12
"""So many nodes, and so many times those of the file, are looked at in calls: what exporters write needs a few."""
_MOST_DECISIONS = 16
"""Conditions that hang on the results of other conditionals, which are looked at in turn."""
_MAX_CHAIN = 300
"""Nodes in a row that only copy a value; in a malformed graph they can be a circle."""
_COPIES = SAME - {"Cast", "Bitcast"}
_CHOICES = frozenset({"then", "else", "branch"})


def _given_to(call: Call, inputs: Sequence[Port], argument: int) -> Port | None:
    """The input that becomes a function's argument."""
    last = len(inputs) if call.last is None else len(inputs) + call.last
    return inputs[call.first + argument] if call.first + argument < last else None


def _is_argument(value: Value, argument: int) -> bool:
    """Whether a loop's body hands this argument on as it is, so that it is the same in each turn."""
    frame, node, _ = value
    for _ in range(_MAX_CHAIN):
        if node == argument:
            return True
        if frame.body.ops[node] != "Identity" or not frame.body.inputs(node):
            break
        node = frame.body.inputs(node)[0][0]
    return False


def _all_there(bodies: Sequence[Body | None]) -> TypeGuard[Sequence[Body]]:
    return all(body is not None for body in bodies)
