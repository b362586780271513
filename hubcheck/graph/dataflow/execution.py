"""What runs when values are computed: through data and control inputs, into the branches that are taken."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from hubcheck.graph.dataflow.body import Body, Port
from hubcheck.graph.dataflow.control_flow_v1 import SWITCHES, conditional_depth
from hubcheck.graph.dataflow.frame import CallFrame, Value
from hubcheck.graph.dataflow.inlining import InlinedGraph
from hubcheck.util.walk import closure

CONDITIONALS = frozenset({"If", "StatelessIf", "_If", "XlaIf", "Case", "StatelessCase", *SWITCHES})
"""The ops of conditionals."""
_BRANCHES = frozenset({"then", "else", "branch"})


class Execution:
    """The nodes that run to compute values, by frame: in the main graph what they need, in functions every node.

    Of a conditional whose predicate is a constant, only the branch that is taken runs. What computes values of the main
    graph that are `given` does not run.
    """

    def __init__(self, graph: InlinedGraph, values: Iterable[Value], given: Iterable[Value] = ()) -> None:
        self._graph = graph
        self._nodes: dict[CallFrame, Iterable[int]] = {}
        self._frames: defaultdict[Body, list[CallFrame]] = defaultdict(list)
        self._taken: defaultdict[tuple[Body, int], set[str]] = defaultdict(set)
        self._unknown: set[Body] = set()
        starts: defaultdict[CallFrame, list[int]] = defaultdict(list)
        for frame, node, _ in values:
            starts[frame].append(node)
        waiting: list[CallFrame] = []
        ports = {(node, number) for frame, node, number in given if frame is graph.main and frame.body.needs(node)}
        needs = partial(graph.main.body.needs, given=ports)
        for frame, nodes in starts.items():
            waiting += self._enter(frame, closure(nodes, needs) if frame is graph.main else frame.body)
        while waiting:
            frame = waiting.pop()
            waiting += self._enter(frame, frame.body)
        self._skipped = self._bodies_skipped()

    @property
    def frames(self) -> Iterable[CallFrame]:
        """The frames in which something runs."""
        return self._nodes.keys()

    def nodes(self, wanted: Callable[[str], bool]) -> Iterator[tuple[CallFrame, int]]:
        """Yield the nodes that run and whose ops are wanted."""
        for frame, nodes in self._nodes.items():
            kinds = {op for op in frame.body.kinds if wanted(op)}
            for node in nodes if kinds else ():
                if frame.op(node) in kinds and conditional_depth(self._graph, (frame, node, 0)) >= 0:
                    yield frame, node

    def runs(self, body: Body, port: Port) -> bool:
        """Return whether a tensor is computed, as far as conditionals decide it."""
        if body in self._skipped:
            return False
        frames = self._frames.get(body, ()) if not SWITCHES.isdisjoint(body.kinds) else ()
        return not frames or any(conditional_depth(self._graph, (frame, *port)) >= 0 for frame in frames)

    def takes(self, body: Body, node: int, function: str) -> bool:
        """Return whether a node can run one of its functions."""
        taken = self._taken.get((body, node))
        return taken is None or function in taken

    def _enter(self, frame: CallFrame, nodes: Iterable[int]) -> Iterator[CallFrame]:
        """Note what runs in a frame, and yield the frames that it calls."""
        view, body = self._graph.view, frame.body
        self._nodes[frame] = nodes
        self._frames[body].append(frame)
        calling = {op for op in body.kinds if view.is_call(op)}
        for node in nodes if calling else ():
            calls = view.calls(body, node) if body.ops[node] in calling else ()
            if not calls or conditional_depth(self._graph, (frame, node, 0)) < 0:
                continue
            callees = self._graph.callees(frame, node)
            if callees is None:
                self._unknown.update(filter(None, (view.function(call.function) for call in calls)))
                self._taken[body, node].update(call.function for call in calls)
                continue
            if calls[0].role in _BRANCHES:
                self._taken[body, node].update(callee.call.function for callee in callees if callee.call is not None)
            yield from callees

    def _bodies_skipped(self) -> frozenset[Body]:
        """Return the bodies that only branches which are never taken lead to."""
        view = self._graph.view
        calls = ((place, call) for place in self._taken for call in view.calls(*place))
        skipped = (view.function(call.function) for place, call in calls if not self.takes(*place, call.function))
        reached = view.reachable(body for body in skipped if body is not None)
        return frozenset(reached) - self._frames.keys() - set(view.reachable(self._unknown)) if reached else frozenset()
