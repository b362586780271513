"""What the HTML report shows of a module beside the findings: signatures with their data paths, output histograms,
and the images it was run on. All sizes are bounded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice

from hubcheck.checks.context import Context
from hubcheck.engine.details import DiagramStep, ModuleDetails, SignatureDetails
from hubcheck.engine.findings import Finding
from hubcheck.engine.outlines import entry_outline
from hubcheck.graph.entry_points import DEFAULT, EntryPoint
from hubcheck.graph.outline.outline import Line
from hubcheck.graph.variant_analysis import VariantAnalysis
from hubcheck.module.tensors import Shape, Tensor
from hubcheck.module.types import Signature, Trace, Variant
from hubcheck.probe.observations import Observations
from hubcheck.report.run_details import histogram, images
from hubcheck.util.text import printable

_MAX_SIGNATURES = 100
_MAX_TENSORS = 50
"""Inputs, or outputs, of one signature."""
_MAX_STEPS = 200
_MAX_NOTES = 5
"""Findings on one step."""
_MAX_TEXT = 160
"""Characters of a name or a note."""


def module_details(context: Context, findings: Sequence[Finding], observations: Observations | None) -> ModuleDetails:
    """Return the details of one module.

    The signatures are those of the module, and the traces of the callable that have findings. Signatures that the
    convention defines come with their data path.

    Args:
        context: the module and the signature contracts.
        findings: the module's findings; those that name a node are shown at that node.
        observations: what the probe observed; without them the details have signatures only.
    """
    runs = [
        run
        for run in (observations.runs if observations is not None else ())
        if run.purpose == "pictures"
        and run.target.signature in context.contracts
        and run.target.variant in ("", "serve")
        and not run.target.session
        and run.target.trace is None
        and run.failure is None
    ]
    return ModuleDetails(
        tuple(islice(_signatures(context, findings), _MAX_SIGNATURES)),
        tuple(filter(None, map(histogram, runs))),
        tuple(images(runs, context)),
    )


def _signatures(context: Context, findings: Sequence[Finding]) -> Iterator[SignatureDetails]:
    readable = not any(finding.rule == "module/readable" for finding in findings)
    for variant in context.module.variants:
        relevant = [finding for finding in findings if finding.where.variant in (None, variant.name)]
        analysis = context.analysis(variant) if readable else None
        entries = analysis.entries if analysis is not None else ()
        by_key = {entry.signature: entry for entry in entries if entry.signature}
        for signature in variant.signatures.values():
            plain, entry = _tensors_only(variant, signature), by_key.get(signature.key)
            yield plain if analysis is None or entry is None else _with_steps(plain, analysis, entry, relevant)
        traces = {finding.where.trace for finding in relevant}
        for entry in entries:
            if analysis is not None and entry.trace is not None and entry.trace.name in traces:
                yield _with_steps(_tensors_only(variant, entry.trace), analysis, entry, relevant)


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
    # The convention calls the only output of a signature "default", whatever its key.
    keys = {DEFAULT: signature.outputs[0][0]} if len(signature.outputs) == 1 else {}
    return replace(signature, steps=_bounded([_step(line, keys) for line in entry_outline(analysis, entry, findings)]))


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
    return printable(text, max_length=_MAX_TEXT)
