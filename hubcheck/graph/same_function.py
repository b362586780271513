"""Whether two tensors are the same function of a signature's inputs, as far as the graph shows it.

Exporters wrap one inner function in a function per signature. Two wrappers that pass their arguments and captures on
unchanged return the same result.
"""

from __future__ import annotations

from collections.abc import Mapping

from hubcheck.graph.dataflow.frame import MAX_CHAIN, Value
from hubcheck.graph.dataflow.inlining import InlinedGraph

Origin = tuple[object, ...]
"""The node that computes a tensor, then the tensors outside its function that it is called with."""


def origin(graph: InlinedGraph, tensor: str, inputs: Mapping[str, str]) -> Origin:
    """Return where a tensor of the main graph is computed; equal for two tensors that are the same function.

    `inputs` has, for each tensor that the caller feeds ("images:0"), a name by which it is known.
    """
    port = graph.view.tensor(tensor)
    if port is None:
        return (tensor,)
    fed = ((graph.view.tensor(component), name) for component, name in inputs.items())
    names = {(graph.main, *input_port): name for input_port, name in fed if input_port is not None}
    value = _follow(graph, (graph.main, *port), names)
    caller = value[0].caller
    arguments = caller.inputs(value[0].site) if caller is not None else []
    return tuple(
        names.get(found) or (found[0].body.function, *found[1:])
        for found in (value, *(_follow(graph, argument, names) for argument in arguments))
    )


def _follow(graph: InlinedGraph, value: Value, names: Mapping[Value, str]) -> Value:
    """Return the value that is computed or fed, of which this one is a copy through identities, calls and arguments."""
    for _ in range(MAX_CHAIN):
        frame, node, _ = value
        sources = frame.inputs(node)[:1] if frame.op(node) == "Identity" else graph.originals(value)
        if value in names or not sources or len(sources) > 1:
            break
        value = sources[0]
    return value
