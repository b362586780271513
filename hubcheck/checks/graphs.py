"""The dataflow of a variant, as the checks ask for it: made once, kept in the context's memo."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import cast

from hubcheck.checks.context import Context
from hubcheck.checks.faults import Fault, Node, Where
from hubcheck.checks.tensors import image_argument
from hubcheck.graph.dataflow.body import Port
from hubcheck.graph.dataflow.dependence import Origins
from hubcheck.graph.dataflow.frame import CallFrame, Value
from hubcheck.graph.dataflow.inlining import InlinedGraph
from hubcheck.graph.dataflow.randomness import has_random_op
from hubcheck.graph.dataflow.unknown_ops import runs_unknown_code
from hubcheck.graph.dataflow.view import GraphView
from hubcheck.module.types import ObjectGraph, Signature, Trace, Variant
from hubcheck.rulebook.expectations import contracted_input

DEFAULT = "default"


def view_of(context: Context, variant: Variant) -> GraphView:
    """The view of the variant's graph."""
    key = ("graph view", variant.tags)
    if key not in context.memo:
        context.memo[key] = GraphView(variant.graph)
    return cast(GraphView, context.memo[key])


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """Something that a consumer calls: a signature, or (signature is None) a trace of the callable.

    `outputs` are its results by key; the one that the convention is about has the key "default".
    """

    variant: str
    signature: str | None
    trace: Trace | None
    frame: CallFrame
    outputs: Mapping[str, Value]
    images: tuple[Value, ...]
    images_key: str | None

    @property
    def label(self) -> str:
        """The signature's or the trace's name."""
        return self.signature or (self.trace.name if self.trace is not None else "")

    def where(self, node: Node | None = None, key: str | None = None) -> Where:
        """The place of a fault: a node that this entry needs, at its output `key` or anywhere."""
        trace = self.trace.name if self.trace is not None else None
        shown = None if self.trace is not None and key == DEFAULT and DEFAULT not in self.trace.outputs else key
        return Where(self.variant, trace, self.signature, "outputs" if key is not None else None, shown, node)


@dataclass(frozen=True, slots=True, eq=False)
class Flow:
    """A variant's graph, unfolded, with the entries that the convention speaks of."""

    graph: InlinedGraph
    origins: Origins
    entries: tuple[Entry, ...]


def flow_of(context: Context, variant: Variant) -> Flow:
    """What flows from the images to the outputs of the common signatures, the default one and the callable."""
    key = ("flow", variant.tags)
    if key not in context.memo:
        context.memo[key] = _flow(context, variant)
    return cast(Flow, context.memo[key])


class Places:
    """Faults of one kind, by the node that is at fault: a node met again, in a copy of its function or from
    another output, is the same fault in one more place."""

    def __init__(self) -> None:
        self._faults: dict[tuple[str, str], Fault] = {}
        self._others: dict[tuple[str, str], dict[str, None]] = {}

    def __bool__(self) -> bool:
        return bool(self._faults)

    def add(self, node: Node, entry: Entry, fault: Callable[[], Fault]) -> None:
        """Note a node; `fault` tells of it if it is new."""
        key = (node.name, node.op)
        if key not in self._faults:
            self._faults[key] = fault()
            self._others[key] = {}
        elif entry.label != _label(self._faults[key].where):
            self._others[key].setdefault(entry.label)

    def faults(self) -> Iterator[Fault]:
        """Each fault with the other places where it was met; of very many, the first ones."""
        for number, (key, fault) in enumerate(self._faults.items(), 1):
            notes = [f"also in {', '.join(self._others[key])}"] if self._others[key] else []
            if number == _MOST_FAULTS and len(self._faults) > number:
                notes.append(f"and {len(self._faults) - number:,} nodes more like this one")
            yield replace(fault, found=f"{fault.found} ({'; '.join(notes)})") if notes else fault
            if number == _MOST_FAULTS:
                return


_MOST_FAULTS = 50
"""Nodes that a rule names in a variant: nobody reads more, and a model can have a random op in each of its layers."""


def _label(where: Where) -> str:
    return where.signature or where.trace or ""


def node_of(frame: CallFrame, node: int) -> Node:
    """How a finding names a node."""
    return Node(frame.body.names[node], frame.op(node), frame.body.function)


def may_be_random(context: Context, variant: Variant) -> bool:
    """Whether the variant has a random op, or one that may hide some: most have none, and need no closer look."""
    key = ("may be random", variant.tags)
    if key not in context.memo:
        view = view_of(context, variant)
        objects = context.module.objects
        traces = [view.function(trace.function) for trace in objects.traces] if objects is not None else []
        bodies = view.reachable([view.main, *(body for body in traces if body is not None)])
        kinds = {op for body in bodies for op in body.ops}
        context.memo[key] = has_random_op(bodies) or any(runs_unknown_code(op, view.functions) for op in kinds)
    return cast(bool, context.memo[key])


def signature_flow(context: Context, variant: Variant, signature: Signature) -> Flow:
    """The same for one signature, whether or not the convention speaks of it."""
    return _made(context, variant, [signature], None)


def _flow(context: Context, variant: Variant) -> Flow:
    return _made(context, variant, list(_signatures(context, variant)), context.module.objects)


def _made(context: Context, variant: Variant, named: list[Signature], objects: ObjectGraph | None) -> Flow:
    view = view_of(context, variant)
    parts = (part for signature in named for tensor in signature.inputs.values() for part in tensor.components)
    fed = {port[0] for part in parts if (port := view.tensor(part)) is not None}
    graph = InlinedGraph(view, fed=fed, deepest=context.module.limits.function_depth)
    entries = [_signature_entry(context, variant, signature, graph) for signature in named]
    if objects is not None:
        entries += [e for trace in objects.traces if (e := _trace_entry(objects, variant, trace, graph)) is not None]
    return Flow(graph, Origins(graph, [value for entry in entries for value in entry.images]), tuple(entries))


def _signatures(context: Context, variant: Variant) -> Iterator[Signature]:
    keys = dict.fromkeys([*context.contracts, context.module.default_signature])
    yield from (variant.signatures[key] for key in keys if key in variant.signatures)


def _signature_entry(context: Context, variant: Variant, signature: Signature, graph: InlinedGraph) -> Entry:
    def value(component: str) -> list[Value]:
        port = graph.view.tensor(component)
        return [] if port is None else [(graph.main, *port)]

    contract = context.contracts.get(signature.key) or next(iter(context.contracts.values()))
    found = next((f for c in contract.inputs.values() if (f := contracted_input(signature, c)) is not None), None)
    fed = [found[1]] if found is not None else list(signature.inputs.values())
    lone = len(signature.outputs) == 1 and signature.key not in context.contracts
    return Entry(
        variant=variant.name,
        signature=signature.key,
        trace=None,
        frame=graph.main,
        outputs={
            DEFAULT if lone else key: v
            for key, tensor in signature.outputs.items()
            for component in tensor.components[:1]
            for v in value(component)
        },
        images=tuple(v for tensor in fed for component in tensor.components for v in value(component)),
        images_key=found[0] if found is not None else None,
    )


def _trace_entry(objects: ObjectGraph, variant: Variant, trace: Trace, graph: InlinedGraph) -> Entry | None:
    frame = graph.root(trace.function, _captured_constants(objects, trace, graph.view))
    if frame is None:
        return None
    argument = image_argument(trace)
    names = list(trace.tensors)
    chosen = [i for i, name in enumerate(names) if argument is None or name == argument[0]]
    results = frame.body.results()
    keys = [key or DEFAULT for key in trace.outputs]
    return Entry(
        variant=variant.name,
        signature=None,
        trace=trace,
        frame=frame,
        outputs={key: (frame, *port) for key, port in zip(keys, results, strict=False)},
        images=tuple((frame, i, 0) for i in chosen if i < frame.body.arguments),
        images_key=argument[0] if argument is not None else None,
    )


def _captured_constants(objects: ObjectGraph, trace: Trace, view: GraphView) -> dict[int, Port]:
    """Which arguments of a trace's function stand for constants of the main graph."""
    body = view.function(trace.function)
    if body is None:
        return {}
    bound = objects.proto.concrete_functions[trace.function].bound_inputs
    ports: dict[int, Port] = {}
    for argument, number in enumerate(bound, body.arguments - len(bound)):
        node = objects.proto.nodes[number] if 0 <= number < len(objects.proto.nodes) else None
        if argument >= 0 and node is not None and node.WhichOneof("kind") == "constant":
            port = view.tensor(node.constant.operation)
            if port is not None:
                ports[argument] = port
    return ports
