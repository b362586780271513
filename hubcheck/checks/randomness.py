"""The same answer twice: the half that is read from the graph."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from hubcheck.checks.context import Context
from hubcheck.checks.faults import Checked, CheckItem, Fault, Node, Skip
from hubcheck.checks.graphs import Places, node_of, where_in
from hubcheck.graph.dataflow.frame import Value
from hubcheck.graph.dataflow.layer_names import layer_name
from hubcheck.graph.entry_points import EntryPoint
from hubcheck.graph.nondeterminism import RandomNode, random_nodes
from hubcheck.module.types import Variant
from hubcheck.util.gc_paused import gc_paused


def deterministic(context: Context) -> Iterator[CheckItem]:
    """Nothing that inference needs draws random values: in the signatures, and in the callable when not training."""
    inference = context.module.inference
    if inference is None:
        yield Skip("there is no inference variant")
        return
    yield Checked()
    with gc_paused():
        if context.analysis(inference).may_be_random:
            yield from _inference(context, inference)


def _inference(context: Context, variant: Variant) -> Iterator[CheckItem]:
    analysis = context.analysis(variant)
    places = Places()
    undecided: dict[str, None] = {}
    known: dict[frozenset[Value], list[RandomNode]] = {}
    for entry in analysis.entries:
        if entry.trace is not None and entry.trace.training:
            continue
        outputs = frozenset(entry.outputs.values())
        if outputs not in known:
            known[outputs] = random_nodes(analysis.graph, entry.outputs.values())
        for found in known[outputs]:
            node = node_of(found.frame, found.node)
            layer = layer_name(found.frame, found.node) or node.name
            if found.certain:
                places.add(node, entry, partial(_fault, variant, entry, node, layer))
            else:
                undecided.setdefault(layer)
    yield from places.faults()
    if undecided and not places:
        yield Skip(f"the graph does not tell whether {', '.join(undecided)} draws random values", undecided=True)


def _fault(variant: Variant, entry: EntryPoint, node: Node, layer: str) -> Fault:
    details = {"layer": layer, "op": node.op}
    return Fault(where_in(variant, entry, node), f"{node.op} in inference", "no random op", details)
