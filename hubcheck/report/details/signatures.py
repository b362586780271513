"""Signatures for the HTML report: their tensors, and their data path through the graph. All sizes are bounded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from hubcheck.checks.context import Context
from hubcheck.engine.details import DiagramStep, SignatureDetails
from hubcheck.engine.findings import Finding
from hubcheck.engine.outlines import entry_outline
from hubcheck.graph.entry_points import DEFAULT, EntryPoint
from hubcheck.graph.outline.outline import Line
from hubcheck.graph.variant_analysis import VariantAnalysis
from hubcheck.module.types import INIT_OP_SIGNATURE, Shape, Signature, Tensor, Trace, Variant
from hubcheck.util.text import printable

_MAX_SIGNATURES = 100
_MAX_TRACES = 8
_MAX_TENSORS = 50
"""Inputs, or outputs, of one signature."""
_MAX_STEPS = 200
_MAX_NOTES = 5
"""Findings on one step."""
_MAX_TEXT = 160
"""Characters of a name or a note."""


def signature_details(context: Context, findings: Sequence[Finding]) -> tuple[SignatureDetails, ...]:
    """Return every signature of a module, and the traces of the callable that have findings.

    Signatures that the convention defines come with their data path.

    Args:
        context: the module and the signature contracts.
        findings: the module's findings; those that name a node are noted on its step.
    """
    signatures: list[SignatureDetails] = []
    readable = not any(finding.rule == "module/readable" for finding in findings)
    for variant in context.module.variants:
        relevant = [finding for finding in findings if finding.where.variant in (None, variant.name)]
        analysis = context.analysis(variant) if readable else None
        entries = (
            {entry.signature: entry for entry in analysis.entries if entry.signature} if analysis is not None else {}
        )
        for signature in variant.signatures.values():
            if signature.key != INIT_OP_SIGNATURE:
                plain = _tensors_only(variant, signature)
                entry = entries.get(signature.key)
                signatures.append(
                    _with_steps(plain, analysis, entry, relevant)
                    if analysis is not None and entry is not None
                    else plain
                )
        if analysis is not None:
            signatures += _traces(variant, analysis, relevant)
    return tuple(signatures[:_MAX_SIGNATURES])


def _traces(variant: Variant, analysis: VariantAnalysis, findings: Sequence[Finding]) -> Iterator[SignatureDetails]:
    named = {finding.where.trace for finding in findings}
    entries = [
        (entry, entry.trace) for entry in analysis.entries if entry.trace is not None and entry.trace.name in named
    ]
    for entry, trace in entries[:_MAX_TRACES]:
        yield _with_steps(_tensors_only(variant, trace), analysis, entry, findings)


def _tensors_only(variant: Variant, source: Signature | Trace) -> SignatureDetails:
    if isinstance(source, Trace):
        key, trace, inputs = None, printable(source.name), source.tensors
    else:
        key, trace, inputs = printable(source.key), None, dict(source.inputs)
    outputs = {key or DEFAULT: tensor for key, tensor in source.outputs.items()}
    return SignatureDetails(printable(variant.name), key, trace, _texts(inputs), _texts(outputs))


def _texts(tensors: Mapping[str, Tensor]) -> tuple[tuple[str, str], ...]:
    rows = [(_short(key), _short(str(tensor))) for key, tensor in tensors.items()]
    more = len(rows) - _MAX_TENSORS
    return tuple(rows if more <= 0 else [*rows[:_MAX_TENSORS], ("...", f"{more:,} more")])


def _with_steps(
    signature: SignatureDetails, analysis: VariantAnalysis, entry: EntryPoint, findings: Sequence[Finding]
) -> SignatureDetails:
    lines = entry_outline(analysis, entry, findings)
    # The convention calls the only output of a signature "default", whatever its key.
    keys = {DEFAULT: signature.outputs[0][0]} if len(signature.outputs) == 1 else {}
    return replace(signature, steps=_bounded([_step(line, keys) for line in lines]))


def _step(line: Line, keys: Mapping[str, str]) -> DiagramStep:
    return DiagramStep(
        depth=line.depth,
        name=_short(line.name),
        ops=_short(line.summary),
        shape=_short(str(Shape(line.dims))) if line.dims is not None else "",
        notes=line.marks[:_MAX_NOTES],
        outputs=tuple(_short(keys.get(key, key)) for key in line.outputs[:_MAX_TENSORS]),
        sources=line.sources,
        is_scope=line.opened,
    )


def _bounded(steps: Sequence[DiagramStep]) -> tuple[DiagramStep, ...]:
    """Return the first and last steps, with one step for those between: a signature may have thousands of outputs."""
    more = len(steps) - _MAX_STEPS
    if more <= 0:
        return tuple(steps)
    first = _MAX_STEPS // 2
    new_index = [*range(first), *[first] * more, *range(first + 1, _MAX_STEPS + 1)]
    hidden = [key for step in steps[first : first + more] for key in step.outputs]
    gap = DiagramStep(0, f"... {more:,} more", "", "", outputs=tuple(hidden[:_MAX_TENSORS]))
    shown = (*steps[:first], gap, *steps[first + more :])
    return tuple(replace(step, sources=tuple(dict.fromkeys(new_index[n] for n in step.sources))) for step in shown)


def _short(text: str) -> str:
    return printable(text, longest=_MAX_TEXT)
