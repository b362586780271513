"""What a consumer calls: the signatures that the convention speaks of, and the traces of the callable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hubcheck.graph.dataflow.body import Body
from hubcheck.graph.dataflow.frame import CallFrame, Value
from hubcheck.graph.dataflow.inlining import InlinedGraph
from hubcheck.module.tensors import Tensor
from hubcheck.module.types import ObjectGraph, Signature, Trace
from hubcheck.util.record import record

DEFAULT = "default"
"""The key of the output that the convention is about."""


@record(eq=False)
class EntryPoint:
    """A signature, or (`signature` is None) a trace of the callable, in the inlined graph.

    `outputs` are its results by key, `images` the values that are images; `images_key` is the name of that input,
    None if it cannot be told from others: then all inputs count as images.
    """

    signature: str | None
    trace: Trace | None
    outputs: Mapping[str, Value]
    images: tuple[Value, ...]
    images_key: str | None

    @property
    def label(self) -> str:
        """The name of the signature or the trace."""
        return self.signature or (self.trace.name if self.trace is not None else "")


def signature_entry(
    graph: InlinedGraph, signature: Signature, images: tuple[str, Tensor] | None, *, default_output: bool
) -> EntryPoint:
    """Return the entry point of a signature.

    `images` is its input that is the images, None if that cannot be told; with `default_output`, an only output is
    known as "default", whatever its key.
    """
    inputs = [images[1]] if images is not None else signature.inputs.values()
    renamed = default_output and len(signature.outputs) == 1
    return EntryPoint(
        signature=signature.key,
        trace=None,
        outputs={
            DEFAULT if renamed else key: value
            for key, tensor in signature.outputs.items()
            for value in _values(graph, tensor.components[:1])
        },
        images=tuple(value for tensor in inputs for value in _values(graph, tensor.components)),
        images_key=images[0] if images is not None else None,
    )


def _values(graph: InlinedGraph, components: tuple[str, ...]) -> Iterator[Value]:
    for component in components:
        port = graph.view.tensor(component)
        if port is not None:
            yield (graph.main, *port)


def trace_entries(graph: InlinedGraph, objects: ObjectGraph) -> Iterator[EntryPoint]:
    """Yield the entry points of the traces of the callable whose function is in the graph."""
    for trace in objects.traces:
        body, argument = graph.view.function(trace.function), trace.image_argument
        if body is None:
            continue
        frame = CallFrame(body)
        frame.bindings = _captured_constants(graph, objects, trace, body)
        keys = [key or DEFAULT for key in trace.outputs]
        yield EntryPoint(
            signature=None,
            trace=trace,
            outputs={key: (frame, *port) for key, port in zip(keys, body.results, strict=False)},
            images=tuple(
                (frame, position, 0)
                for position, name in enumerate(trace.tensors)
                if position < body.arguments and (argument is None or name == argument[0])
            ),
            images_key=argument[0] if argument is not None else None,
        )


def _captured_constants(graph: InlinedGraph, objects: ObjectGraph, trace: Trace, body: Body) -> dict[int, Value]:
    """Return the constants of the main graph that arguments of a trace's function stand for."""
    bound = objects.proto.concrete_functions[trace.function].bound_inputs
    constants: dict[int, Value] = {}
    for argument, number in enumerate(bound, body.arguments - len(bound)):
        node = objects.proto.nodes[number] if 0 <= number < len(objects.proto.nodes) else None
        if argument >= 0 and node is not None and node.WhichOneof("kind") == "constant":
            constants.update((argument, value) for value in _values(graph, (node.constant.operation,)))
    return constants
