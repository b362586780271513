"""Classification outputs are logits, as seen in the graph."""

from __future__ import annotations

from collections.abc import Iterator

from hubcheck.checks.context import Context
from hubcheck.checks.faults import Checked, CheckItem, Fault, Skip
from hubcheck.checks.places import node_of, where_in
from hubcheck.graph.activations.final_activation import final_activation
from hubcheck.graph.dataflow.unknown_ops import UnknownOp
from hubcheck.graph.entry_points import DEFAULT


def linear_scores(context: Context, *, signature: str) -> Iterator[CheckItem]:
    """The output of a signature does not come from a softmax, log-softmax or sigmoid, in any variant."""
    for variant in context.module.variants:
        if signature not in variant.signatures:
            continue
        yield Checked()
        analysis = context.analysis(variant)
        for entry in analysis.entries:
            if entry.signature != signature or DEFAULT not in entry.outputs:
                continue
            found = final_activation(analysis.graph, analysis.dependence, entry.outputs[DEFAULT])
            if isinstance(found, UnknownOp):
                yield Skip(found.reason, undecided=True)
            elif found is not None:
                place = where_in(variant, entry, node_of(found.frame, found.node), DEFAULT)
                yield Fault(place, found.name, "linear scores (logits)", group=(found.name, place.node))
    yield Skip(f"there is no signature {signature}")


def hides_activation(context: Context, variant: str, signature: str) -> bool:
    """Return whether the graph of a variant, by its name, does not show in what the scores of a signature end."""
    for other in context.module.variants:
        if other.name == variant:
            analysis = context.analysis(other)
            for entry in analysis.entries:
                if entry.signature == signature and DEFAULT in entry.outputs:
                    output = entry.outputs[DEFAULT]
                    return isinstance(final_activation(analysis.graph, analysis.dependence, output), UnknownOp)
    return False
