"""A graph with its calls inlined: each call has a frame of its own, made when it is first needed.

So a value can be followed through calls, branches and loops, and two callers of one function stay apart.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Literal

from hubcheck.graph.dataflow.body import ARGUMENT
from hubcheck.graph.dataflow.constant_randomness import MASK_OPS, is_constant_draw
from hubcheck.graph.dataflow.constants import Constant, Number
from hubcheck.graph.dataflow.control_flow_v1 import MERGES, SWITCHES, conditional_depth, predicate
from hubcheck.graph.dataflow.folding import Fold, fold
from hubcheck.graph.dataflow.frame import MAX_CHAIN, CallFrame, Value
from hubcheck.graph.dataflow.view import Call, GraphView
from hubcheck.graph.op_tables import ops
from hubcheck.graph.op_tables.elementwise import SAME, SELECTS


class InlinedGraph:
    """The frames of one graph.

    `copying_ops` are the ops for which `originals` may return something. `exhausted` says why not all calls were
    followed: their depth or the size of it all; None if all were.
    `fed` are the nodes of the main graph that a signature feeds, which are never constant.
    """

    def __init__(self, view: GraphView, *, fed: Collection[int] = ()) -> None:
        self.view = view
        self.main = CallFrame(view.main)
        self.copying_ops = frozenset(
            {ARGUMENT, "IdentityN", *MERGES, *SELECTS, *MASK_OPS, *ops.function_ops(), *view.library}
        )
        self.exhausted: Literal["depth", "size"] | None = None
        self._fed = frozenset(fed)
        self._budget = _MIN_BUDGET + _BUDGET_PER_NODE * view.size
        self._deciding = 0
        self._origins: dict[Value, Value] = {}

    def originals(self, value: Value) -> list[Value] | None:
        """Return the values of which this one is an unchanged copy, of one or the other; None if its node computes it.

        Arguments are copies of what the caller passes, results of what the function returns. Of a conditional or a
        selection with a constant condition, only the branch that is taken counts; of a loop, its start and the result
        of a turn. A random draw with a certain outcome is made of nothing.
        """
        frame, node, number = value
        op = frame.body.ops[node]
        if op not in self.copying_ops:
            return None
        if op == ARGUMENT:
            return self._passed(frame, node)
        if op == "IdentityN":
            port = frame.body.input(node, number)
            return [(frame, *port)] if port is not None else None
        if op in MERGES:
            return [source for source in frame.inputs(node) if conditional_depth(self, source) >= 0]
        if op in SELECTS:
            inputs = frame.inputs(node)
            condition = self.scalar(inputs[0]) if len(inputs) == 3 else None
            return None if condition is None else [inputs[1] if condition else inputs[2]]
        if op in MASK_OPS:
            return [] if is_constant_draw(self, value) else None
        return self._returned(frame, node, number)

    def sources(self, value: Value) -> list[Value]:
        """Return the originals of a value, or the inputs of the node that computes it."""
        originals = self.originals(value)
        return value[0].inputs(value[1]) if originals is None else originals

    def see_through(self, value: Value) -> Value:
        """Return the value of which this one is an unchanged copy: the other end of identities, arguments and calls."""
        arguments: list[Value] = []
        for _ in range(MAX_CHAIN):
            frame, node, _ = value
            op = frame.op(node)
            if op == ARGUMENT:
                if value in self._origins:
                    value = self._origins[value]
                    break
                arguments.append(value)
            sources = frame.inputs(node)[:1] if op in _COPIES else self.originals(value)
            if not sources or len(sources) > 1:
                break
            value = sources[0]
        # Functions that call each other hundreds deep pass the same argument through all of them.
        for argument in arguments[:-1]:
            self._origins[argument] = value
        return value

    def callees(self, frame: CallFrame, node: int) -> list[CallFrame] | None:
        """Return the frames of the functions whose results are a node's outputs; of a loop, its condition, too.

        None if the node calls nothing, or something that cannot be followed.
        """
        if node not in frame.callees:
            frame.callees[node] = self._enter(frame, node, self.view.calls(frame.body, node))
        return frame.callees[node]

    def condition(self, frame: CallFrame, node: int) -> Value | None:
        """Return the predicate of an undecided conditional whose results are a node's outputs."""
        if frame.body.ops[node] in MERGES:
            return predicate(frame, node)
        callees = self.callees(frame, node)
        if callees and len(callees) > 1 and callees[0].role in _CHOICES:
            return next(iter(frame.inputs(node)), None)
        return None

    def constant(self, value: Value) -> Constant | None:
        """Return the value if it is the same small constant in every run."""
        return fold(value, self.fold_step)

    def scalar(self, value: Value) -> Number | None:
        """Return the value if it is the same single number in every run."""
        constant = self.constant(value)
        return None if constant is None else constant.scalar

    def fold_step(self, value: Value) -> Fold:
        """Return how constant folding computes a value, see `fold`."""
        frame, node, _ = value
        op = frame.body.ops[node]
        inputs = frame.inputs(node)
        if op in MERGES:
            return "same", inputs
        originals = None if op in SELECTS or op in MASK_OPS else self.originals(value)
        if originals is not None:
            return "same", originals
        if op == "Const":
            return "constant", []
        if op in SWITCHES or (op == "PlaceholderWithDefault" and (frame is not self.main or node not in self._fed)):
            return "same", inputs[:1]
        return op, inputs

    def _passed(self, frame: CallFrame, argument: int) -> list[Value] | None:
        """Return what the caller passes as an argument; in a loop's body, the result of the turn before, too."""
        if frame.caller is None or frame.call is None:
            return [frame.bindings[argument]] if argument in frame.bindings else None
        call, inputs = frame.call, frame.caller.body.inputs(frame.site)  # one for each weight: few of them are needed
        end = len(inputs) if call.last is None else len(inputs) + call.last
        if call.first + argument >= end:
            return None
        passed = (frame.caller, *inputs[call.first + argument])
        if call.role not in ("loop", "condition"):
            return [passed]
        turns = [callee for callee in frame.caller.callees[frame.site] or () if callee.role == "loop"]
        return [passed, *(result for result in _results(turns, argument) if not _is_argument(result, argument))]

    def _returned(self, frame: CallFrame, node: int, number: int) -> list[Value] | None:
        callees = self.callees(frame, node)
        if not callees:
            return None
        returning = [callee for callee in callees if callee.call is not None and callee.call.returns]
        results = _results(returning, number)
        if len(results) < len(returning):
            return None
        if any(callee.role == "loop" for callee in returning):
            results = [*frame.inputs(node)[number : number + 1], *results]
        return results

    def _enter(self, frame: CallFrame, node: int, calls: Sequence[Call]) -> list[CallFrame] | None:
        bodies = [body for call in calls if call.bound and (body := self.view.function(call.function)) is not None]
        if not calls or len(bodies) < len(calls):
            return None
        taken, decided = self._taken(frame, node, calls)
        if frame.depth >= MAX_DEPTH or self._budget < 0:
            self.exhausted = "size" if self._budget < 0 else "depth"
            return None
        self._budget -= sum(len(bodies[position]) for position in taken)
        conditional = frame.conditional or not decided
        return [CallFrame(bodies[position], frame, node, calls[position], conditional) for position in taken]

    def _taken(self, frame: CallFrame, node: int, calls: Sequence[Call]) -> tuple[Sequence[int], bool]:
        """Return which of a node's functions can run, and whether that is known."""
        everything = range(len(calls))
        if calls[0].role not in _CHOICES:
            return everything, True
        inputs = frame.inputs(node)
        if not inputs or self._deciding > _MAX_DECISIONS:
            return everything, False
        self._deciding += 1
        chosen = self.scalar(inputs[0])
        self._deciding -= 1
        if chosen is None:
            return everything, False
        if calls[0].role == "branch":
            return [int(chosen) if 0 <= chosen < len(calls) else len(calls) - 1], True
        role = "then" if chosen else "else"
        return [i for i in everything if calls[i].role == role], True


_MIN_BUDGET, _BUDGET_PER_NODE = 20_000, 12
"""Nodes that inlining may visit: at least so many, and so many for each node of the file. What exporters write needs a
few; functions that call others twice, a few dozen levels deep, would never end."""
MAX_DEPTH = 256
"""Calls within calls that are followed; deeper ones are mostly recursive."""
_MAX_DECISIONS = 16
"""Conditions that depend on the results of other conditionals, nested."""
_COPIES = SAME - {"Cast", "Bitcast"}
_CHOICES = frozenset({"then", "else", "branch"})


def _results(frames: Iterable[CallFrame], number: int) -> list[Value]:
    return [(frame, *frame.body.results[number]) for frame in frames if number < len(frame.body.results)]


def _is_argument(value: Value, argument: int) -> bool:
    """Return whether a loop's body returns this argument as it is, so that it is the same in each turn."""
    frame, node, _ = value
    for _ in range(MAX_CHAIN):
        if node == argument:
            return True
        if frame.body.ops[node] != "Identity" or not frame.body.inputs(node):
            break
        node = frame.body.inputs(node)[0][0]
    return False
