"""Classification outputs are logits, as seen in the graph."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hubcheck.checks.context import Context
from hubcheck.checks.faults import Checked, CheckItem, Fault, Skip
from hubcheck.checks.judged import interface_of_entry
from hubcheck.checks.places import node_of, where_in
from hubcheck.graph.activations.final_activation import final_activation
from hubcheck.graph.dataflow.unknown_ops import UnknownOp
from hubcheck.graph.entry_points import DEFAULT, EntryPoint
from hubcheck.graph.variant_analysis import VariantAnalysis
from hubcheck.module.types import Variant

if TYPE_CHECKING:
    from hubcheck.probe.observations import ProbeTarget


def linear_scores(context: Context, *, signature: str) -> Iterator[CheckItem]:
    """The output of a signature does not come from a softmax, log-softmax or sigmoid, in any variant."""
    for variant, analysis, entry in _entries(context, signature):
        yield Checked()
        if DEFAULT not in entry.outputs:
            continue
        found = final_activation(analysis.graph, analysis.dependence, entry.outputs[DEFAULT])
        if isinstance(found, UnknownOp):
            yield Skip(found.reason, undecided=True)
        elif found is not None:
            node = node_of(found.frame, found.node)
            place = where_in(variant, entry, node, DEFAULT)
            yield Fault(place, found.name, "linear scores (logits)", group=(found.name, node.name, node.op))
    yield Skip(f"there is no signature {signature}")


def hides_activation(context: Context, target: ProbeTarget, signature: str) -> bool:
    """Return whether the graph does not show in what the scores of a classification, which was called, end."""
    for variant, analysis, entry in _entries(context, signature):
        called = entry.signature == target.signature and variant.name == target.variant
        if called and DEFAULT in entry.outputs:
            output = entry.outputs[DEFAULT]
            return isinstance(final_activation(analysis.graph, analysis.dependence, output), UnknownOp)
    return False


def _entries(context: Context, name: str) -> Iterator[tuple[Variant, VariantAnalysis, EntryPoint]]:
    """Yield the entry points that are held to the contract of this name."""
    for variant in context.module.variants:
        if any(each.variant is variant and each.contract.name == name for each in context.judged()):
            analysis = context.analysis(variant)
            for entry in analysis.entries:
                interface = interface_of_entry(context, entry)
                if interface is not None and interface.contract.name == name:
                    yield variant, analysis, entry
