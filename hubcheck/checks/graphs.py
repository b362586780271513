"""The dataflow of a variant, as the checks ask for it: made once, kept in the context's memo."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from hubcheck.checks.context import Context
from hubcheck.checks.tensors import image_argument
from hubcheck.expectations import contracted_input
from hubcheck.findings import Where
from hubcheck.graph.body import Port
from hubcheck.graph.origins import Origins
from hubcheck.graph.unfold import Frame, Unfolded, Value
from hubcheck.graph.view import GraphView
from hubcheck.module.types import ObjectGraph, Signature, Trace, Variant

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
    frame: Frame
    outputs: Mapping[str, Value]
    images: tuple[Value, ...]

    def where(self, key: str | None = None) -> Where:
        """The place of a fault at this entry's output `key`, or at the entry."""
        trace = self.trace.name if self.trace is not None else None
        shown = None if self.trace is not None and key == DEFAULT and DEFAULT not in self.trace.outputs else key
        return Where(self.variant, trace, self.signature, "outputs" if key is not None else None, shown)


@dataclass(frozen=True, slots=True, eq=False)
class Flow:
    """A variant's graph, unfolded, with the entries that the convention speaks of."""

    graph: Unfolded
    origins: Origins
    entries: tuple[Entry, ...]


def flow_of(context: Context, variant: Variant) -> Flow:
    """What flows from the images to the outputs of the common signatures, the default one and the callable."""
    key = ("flow", variant.tags)
    if key not in context.memo:
        context.memo[key] = _flow(context, variant)
    return cast(Flow, context.memo[key])


def entry_functions(context: Context, variant: Variant) -> list[str]:
    """The functions of the callable's traces that this variant has."""
    objects = context.module.objects
    view = view_of(context, variant)
    return [trace.function for trace in objects.traces if view.function(trace.function)] if objects else []


def _flow(context: Context, variant: Variant) -> Flow:
    view = view_of(context, variant)
    named = list(_signatures(context, variant))
    parts = (part for signature in named for tensor in signature.inputs.values() for part in tensor.components)
    graph = Unfolded(view, fed={port[0] for part in parts if (port := view.tensor(part)) is not None})
    entries = [_signature_entry(context, variant, signature, graph) for signature in named]
    objects = context.module.objects
    if objects is not None:
        entries += [e for trace in objects.traces if (e := _trace_entry(objects, variant, trace, graph)) is not None]
    return Flow(graph, Origins(graph, [value for entry in entries for value in entry.images]), tuple(entries))


def _signatures(context: Context, variant: Variant) -> Iterator[Signature]:
    keys = dict.fromkeys([*context.contracts, context.module.default_signature])
    yield from (variant.signatures[key] for key in keys if key in variant.signatures)


def _signature_entry(context: Context, variant: Variant, signature: Signature, graph: Unfolded) -> Entry:
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
    )


def _trace_entry(objects: ObjectGraph, variant: Variant, trace: Trace, graph: Unfolded) -> Entry | None:
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
