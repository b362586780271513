"""The outline of a signature, with what the rules found marked on it."""

from __future__ import annotations

from collections.abc import Iterable

from hubcheck.checks.context import Context
from hubcheck.checks.graphs import Entry, Flow, flow_of, signature_flow
from hubcheck.engine.findings import Finding
from hubcheck.graph.outline.outline import Line, Spot, outline
from hubcheck.module.types import Variant


def signature_outline(
    context: Context, variant: Variant, signature: str, findings: Iterable[Finding] = (), *, lines: int = 40
) -> list[Line]:
    """The way from the images to each output of a signature of a variant.

    Args:
        context: the module and the contracts.
        variant: one of the module's variants.
        signature: a key of the variant's signatures.
        findings: those that name a node on the way are marked there.
        lines: about how many lines there may be.

    Raises:
        KeyError: the variant has no such signature.
    """
    flow = flow_of(context, variant)
    entry = next((entry for entry in flow.entries if entry.signature == signature), None)
    if entry is None:
        flow = signature_flow(context, variant, variant.signatures[signature])
        (entry,) = flow.entries
    return entry_outline(flow, entry, findings, lines=lines)


def entry_outline(flow: Flow, entry: Entry, findings: Iterable[Finding] = (), *, lines: int = 40) -> list[Line]:
    """The same for one of the entries of a variant's dataflow: a signature, or a trace of the callable."""
    marks: dict[Spot, dict[str, None]] = {}
    for finding in findings:
        node = finding.where.node
        if node is not None:
            marks.setdefault((node.function, node.name), {})[finding.brief] = None
    return outline(flow.graph, flow.origins, entry.outputs, marks=marks, lines=lines)
