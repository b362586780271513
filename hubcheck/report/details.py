"""What the HTML report shows of a module beside the findings: signatures with their data paths, output histograms,
and the images it was run on. All sizes are bounded.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from hubcheck.checks.context import Context
from hubcheck.engine.details import DiagramStep, Histogram, InputImage, ModuleDetails, SignatureDetails
from hubcheck.engine.findings import Finding
from hubcheck.engine.outlines import entry_outline
from hubcheck.graph.entry_points import DEFAULT, EntryPoint
from hubcheck.graph.outline.outline import Line
from hubcheck.graph.variant_analysis import VariantAnalysis
from hubcheck.module.tensors import Shape, Tensor
from hubcheck.module.types import Signature, Trace, Variant
from hubcheck.probe.observations import Observations, Run
from hubcheck.util.text import printable

_MAX_SIGNATURES = 100
_MAX_TENSORS = 50
"""Inputs, or outputs, of one signature."""
_MAX_STEPS = 200
_MAX_NOTES = 5
"""Findings on one step."""
_MAX_TEXT = 160
"""Characters of a name or a note."""
_BINS = 32
_MAX_SIDE = 96
"""Height and width of an image in the report, in pixels."""


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
        tuple(filter(None, map(_histogram, runs))),
        tuple(_images(runs[0])) if runs else (),
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


def _histogram(run: Run) -> Histogram | None:
    import numpy as np

    if "default" not in run.outputs:
        return None
    values = np.atleast_1d(np.asarray(run.outputs["default"].values, np.float64))
    finite = values[np.isfinite(values)]
    if not finite.size:
        return None
    counts, edges = np.histogram(finite, bins=_BINS)
    rows = values.reshape(len(values), -1)
    constant = float((rows == rows[0]).all(axis=0).mean()) if len(rows) > 1 else 0.0
    return Histogram(
        str(run.target.signature), run.device, float(edges[0]), float(edges[-1]), tuple(map(int, counts)), constant
    )


def _images(run: Run) -> Iterator[InputImage]:
    """Yield the images of a run, scaled down by taking every n-th pixel."""
    if len(run.size) != 2:
        return
    from hubcheck.probe.inputs import make_image

    step = max(1, -(-max(run.size) // _MAX_SIDE))
    for name in dict.fromkeys(run.images):
        values = make_image(name, (*run.size, 3), run.seed)[::step, ::step]
        yield InputImage(name, _png((values * 255).round().astype("uint8")))


def _png(pixels: Any) -> bytes:
    """Return a PNG file of uint8 [height, width, 3].

    Source: PNG specification, RFC 2083: signature, IHDR (8-bit RGB), IDAT with unfiltered rows, IEND.
    """
    height, width, _ = pixels.shape
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"".join(b"\0" + row.tobytes() for row in pixels), 9)),
        (b"IEND", b""),
    )
    body = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)
