"""The outline of a signature, with what the rules found marked on it."""

from __future__ import annotations

from collections.abc import Iterable

from hubcheck.checks.context import Context
from hubcheck.engine.findings import Finding
from hubcheck.graph.entry_points import EntryPoint
from hubcheck.graph.outline.outline import Line, Spot, outline
from hubcheck.graph.variant_analysis import VariantAnalysis
from hubcheck.module.types import Variant


def signature_outline(
    context: Context, variant: Variant, signature: str, findings: Iterable[Finding] = (), *, lines: int = 40
) -> list[Line]:
    """Return the way from the images to each output of a signature of a variant, in about so many lines.

    Findings that name a node on the way are marked there.

    Raises:
        KeyError: the variant has no such signature.
    """
    analysis = context.analysis(variant)
    if all(entry.signature != signature for entry in analysis.entries):
        analysis = context.analysis_of(variant, [signature])
    entry = next(entry for entry in analysis.entries if entry.signature == signature)
    return entry_outline(analysis, entry, findings, lines=lines)


def entry_outline(
    analysis: VariantAnalysis, entry: EntryPoint, findings: Iterable[Finding] = (), *, lines: int = 40
) -> list[Line]:
    """Return the same for one of the entries of a variant's dataflow: a signature, or a trace of the callable."""
    marks: dict[Spot, dict[str, None]] = {}
    for finding in findings:
        node = finding.where.node
        if node is not None:
            marks.setdefault((node.function, node.name), {})[finding.brief] = None
    return outline(analysis.graph, analysis.dependence, entry.outputs, marks=marks, lines=lines)
