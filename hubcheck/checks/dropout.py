"""No dropout on the outputs: the half that is read from the graph."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from hubcheck.checks.context import Context
from hubcheck.checks.faults import Fault, Skip
from hubcheck.checks.graphs import DEFAULT, Entry, Flow, Places, flow_of, may_be_random, node_of
from hubcheck.graph.dataflow.frame import Value
from hubcheck.graph.dataflow.layer_names import layer_name
from hubcheck.graph.dataflow.unknown_ops import UnknownOp
from hubcheck.graph.dropout.drop_rate import drop_rate
from hubcheck.graph.dropout.masks import Mask, masks
from hubcheck.module.types import Variant
from hubcheck.rulebook.levels import Level
from hubcheck.util.gc_paused import gc_paused


def no_dropout(context: Context) -> Iterator[Fault | Skip]:
    """No output of a common signature, of the default one or of the callable has a dropout mask, in any variant.

    A mask that several outputs share is one fault, told of the most important of them.
    """
    with gc_paused():
        for variant in context.module.variants:
            yield from _variant(context, variant)


def _variant(context: Context, variant: Variant) -> Iterator[Fault | Skip]:
    if not may_be_random(context, variant):
        return
    flow = flow_of(context, variant)
    places = Places()
    known: dict[Value, list[Mask | UnknownOp]] = {}
    for level, entry, key in _outputs(flow):
        output = entry.outputs[key]
        if output not in known:
            known[output] = list(masks(flow.graph, flow.origins, [output]))
        for found in known[output]:
            node = node_of(found.frame, found.node)
            if isinstance(found, Mask):
                places.add(node, entry, partial(_fault, flow, found, entry, key, level))
            elif level is None:
                yield Skip(found.reason, undecided=True)
    yield from places.faults()
    if flow.graph.exhausted == "depth":
        deepest = context.module.limits.function_depth
        yield Skip(f"functions are called within functions more than {deepest:,} deep, the limit function-depth", True)
    elif flow.graph.exhausted:
        yield Skip("functions are called within functions too often to follow them all", True)


def _outputs(flow: Flow) -> Iterator[tuple[Level | None, Entry, str]]:
    """The outputs to look at: "default" at the rule's own level first, then the others as warnings."""
    for entry in flow.entries:
        if DEFAULT in entry.outputs:
            yield None, entry, DEFAULT
    for entry in flow.entries:
        for key in entry.outputs:
            if key != DEFAULT:
                yield "warning", entry, key


def _fault(flow: Flow, mask: Mask, entry: Entry, key: str, level: Level | None) -> Fault:
    node = node_of(mask.frame, mask.node)
    drops = drop_rate(flow.graph, flow.origins, mask)
    layer = layer_name(mask.frame, mask.node) or node.name
    return Fault(
        where=entry.where(node, key),
        found=f"{node.op} with a random mask" + (f", rate {drops:g}" if drops is not None else ""),
        wanted="no dropout on outputs",
        details={"layer": layer, "rate": "unknown" if drops is None else f"{drops:g}"},
        message="{layer} puts a random mask on the output" if drops is None else None,
        level=level,
    )
