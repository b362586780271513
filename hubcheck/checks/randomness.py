"""Repeatable results, as seen in the graph."""

from __future__ import annotations

from collections.abc import Iterator

from hubcheck.checks.context import Context
from hubcheck.checks.faults import Checked, CheckItem, Fault, Skip
from hubcheck.checks.judged import without_callable
from hubcheck.checks.places import layer_name, node_of, where_in
from hubcheck.graph.dataflow.frame import Value
from hubcheck.graph.nondeterminism import RandomNode, may_vary, random_nodes
from hubcheck.graph.op_tables.ops import CLOCKS
from hubcheck.module.types import Variant
from hubcheck.probe.observations import ProbeTarget
from hubcheck.util.walk import gc_paused


def deterministic(context: Context) -> Iterator[CheckItem]:
    """Nothing that inference needs draws random values, in the signatures and in the callable when not training."""
    inference = context.module.inference
    if inference is None:
        yield Skip("there is no inference variant")
        return
    yield from without_callable(context)
    yield Checked()
    with gc_paused():
        if context.analysis(inference).may_be_random:
            yield from _inference(context, inference)


def _inference(context: Context, variant: Variant) -> Iterator[CheckItem]:
    analysis = context.analysis(variant)
    undecided: dict[str, None] = {}
    known: dict[tuple[frozenset[Value], tuple[Value, ...]], list[RandomNode]] = {}
    for entry in analysis.entries:
        if entry.trace is not None and entry.trace.training:
            continue
        key = frozenset(entry.outputs.values()), entry.images
        if key not in known:
            known[key] = random_nodes(analysis.graph, entry.outputs.values(), entry.images)
        for found in known[key]:
            node = node_of(found.frame, found.node)
            layer = layer_name(found.frame, found.node) or node.name
            if found.certain:
                details = {"layer": layer, "op": node.op}
                where, group = where_in(variant, entry, node), (node.name, node.op)
                is_clock = node.op in CLOCKS
                yield Fault(
                    where,
                    f"{node.op} in inference",
                    "no clock" if is_clock else "no random op",
                    details,
                    message=f"{layer} reads the clock in inference ({node.op})" if is_clock else None,
                    fix="Compute the result from the images alone." if is_clock else None,
                    group=group,
                )
            else:
                undecided.setdefault(layer)
    if undecided:
        yield Skip(f"the graph does not show whether {', '.join(undecided)} draws random values", undecided=True)


def results_may_vary(context: Context, target: ProbeTarget) -> bool:
    """Return whether a target may have other results each time it is called, as far as the graph shows."""
    variant = next(variant for variant in context.module.variants if variant.name == target.variant)
    analysis, objects = context.analysis(variant), context.module.objects
    trace = objects.traces[target.number] if objects is not None and target.trace is not None else None
    for entry in analysis.entries:
        if entry.trace is trace and entry.signature == target.signature:
            with gc_paused():
                return may_vary(analysis.graph, entry.outputs.values(), entry.images)
    return True
