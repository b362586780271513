"""No dropout on the outputs, as seen in the graph."""

from __future__ import annotations

from collections.abc import Iterator

from hubcheck.checks.context import Context
from hubcheck.checks.faults import Checked, CheckItem, Fault, Skip
from hubcheck.checks.places import layer_name, node_of, where_in
from hubcheck.graph.dataflow.frame import Value
from hubcheck.graph.dataflow.inlining import MAX_DEPTH
from hubcheck.graph.dataflow.state import Draw, fixed_draws
from hubcheck.graph.dataflow.unknown_ops import UnknownOp
from hubcheck.graph.dropout.drop_rate import drop_rate
from hubcheck.graph.dropout.masks import Mask, masks
from hubcheck.graph.entry_points import DEFAULT, EntryPoint
from hubcheck.graph.variant_analysis import VariantAnalysis
from hubcheck.module.types import Variant
from hubcheck.rulebook.levels import Level
from hubcheck.util.walk import gc_paused


def no_dropout(context: Context) -> Iterator[CheckItem]:
    """No output of a common signature, of the default one or of the callable has a dropout mask, in any variant."""
    yield Checked()
    weights: set[Draw] = set()
    with gc_paused():
        # Inference comes first: what it draws in the same way every time are weights, in training too.
        for variant in sorted(context.module.variants, key=lambda variant: variant is not context.module.inference):
            yield from _variant(context, variant, weights)


def _variant(context: Context, variant: Variant, weights: set[Draw]) -> Iterator[CheckItem]:
    analysis = context.analysis(variant)
    if not analysis.may_be_random:
        return

    def trains(entry: EntryPoint) -> bool:
        return variant is not context.module.inference or (entry.trace is not None and entry.trace.may_train)

    def is_weight(value: Value) -> bool:
        draws = fixed_draws(analysis.graph, analysis.seeds, value)
        if draws is not None and not training:
            weights.update(draws)
        return draws is not None and draws <= weights

    known: dict[Value, list[Mask | UnknownOp]] = {}
    for level, entry, key in sorted(_outputs(analysis), key=lambda output: (trains(output[1]), output[0] is not None)):
        training = trains(entry)
        output = entry.outputs[key]
        if output not in known:
            known[output] = list(masks(analysis.graph, analysis.dependence, [output], is_weight))
        for found in known[output]:
            if isinstance(found, Mask):
                yield _fault(variant, analysis, found, entry, key, level)
            elif level is None:
                yield Skip(found.reason, undecided=True)
    if analysis.graph.exhausted == "depth":
        yield Skip(f"function calls are nested more than {MAX_DEPTH:,} levels deep", undecided=True)
    elif analysis.graph.exhausted:
        yield Skip("there are too many nested function calls to follow them all", undecided=True)


def _outputs(analysis: VariantAnalysis) -> Iterator[tuple[Level | None, EntryPoint, str]]:
    """Yield the outputs to check: "default" at the rule's own level first, then the others as warnings."""
    for entry in analysis.entries:
        if DEFAULT in entry.outputs:
            yield None, entry, DEFAULT
    for entry in analysis.entries:
        for key in entry.outputs:
            if key != DEFAULT:
                yield "warning", entry, key


def _fault(
    variant: Variant, analysis: VariantAnalysis, mask: Mask, entry: EntryPoint, key: str, level: Level | None
) -> Fault:
    node = node_of(mask.frame, mask.node)
    drops = drop_rate(analysis.graph, analysis.dependence, mask)
    layer = layer_name(mask.frame, mask.node) or node.name
    return Fault(
        where=where_in(variant, entry, node, key),
        found=f"{node.op} with a random mask" + (f", rate {drops:g}" if drops is not None else ""),
        wanted="no dropout on outputs",
        details={"layer": layer, "rate": "unknown" if drops is None else f"{drops:g}"},
        message='a random mask is applied to the output by "{layer}"' if drops is None else None,
        level=level,
        group=(node.name, node.op),
    )
