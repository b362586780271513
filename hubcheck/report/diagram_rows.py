"""The rows of a signature's diagram: inputs, the steps of its data path, outputs, with the findings on them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from hubcheck.engine.details import DiagramStep, SignatureDetails
from hubcheck.engine.findings import Finding
from hubcheck.rulebook.levels import Level

COLUMNS = (36, 36, 22)
"""Characters of name, ops and shape that are shown; a tooltip has the rest."""
_MAX_OUTPUTS = 12
"""Outputs that are drawn at one step."""
_STYLES: dict[Level | None, str] = {"error": "bad", "warning": "warn", "note": "info", None: "dim"}


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a diagram.

    Attributes:
        cells: name, ops and shape.
        depth: number of name scopes around it.
        style: CSS class of its box; a "scope" heading and what is "unconnected" have no box.
        notes: lines of text below the name, each with its CSS class.
        outputs: outputs of the signature that leave here, each with its CSS class, "" without a finding.
        sources: indices of the rows whose results it takes.
    """

    cells: tuple[str, str, str]
    depth: int = 0
    style: str = "box"
    notes: tuple[tuple[str, str], ...] = ()
    outputs: tuple[tuple[str, str], ...] = ()
    sources: tuple[int, ...] = ()


def diagram_rows(signature: SignatureDetails, findings: Sequence[Finding]) -> Iterator[Row]:
    """Yield the rows from top to bottom.

    Args:
        signature: the signature, or trace, with its steps.
        findings: the module's findings that count; other notes on a step are suppressed findings.
    """
    findings = [finding for finding in findings if finding.where.variant in (None, signature.variant)]
    own = [f for f in findings if (f.where.signature, f.where.trace) == (signature.signature, signature.trace)]
    styles = _tensor_styles(signature, own)
    outputs = {key: (f"{key}  {text}", styles.get(("outputs", key), "")) for key, text in signature.outputs}
    for key, text in signature.inputs:
        yield Row((key, text, ""), style=styles.get(("inputs", key), "box"))
    fed = [n for n, (key, _) in enumerate(signature.inputs) if key == "images" or len(signature.inputs) == 1][:1]
    levels = {finding.brief: finding.level for finding in findings}
    for step in signature.steps or (DiagramStep(0, signature.label, "", "", outputs=tuple(outputs)),):
        # The shape is in the row already.
        leaving = [outputs.pop(key) for key in step.outputs if key in outputs]
        leaving = [(text.removesuffix(step.shape).rstrip(), style) for text, style in leaving]
        sources = [n + len(signature.inputs) for n in step.sources] or ([] if step.is_scope else fed)
        yield _step_row(step, levels, leaving, sources)
    noted = {note for step in signature.steps for note in step.notes}
    for finding in own:
        node = finding.where.node
        if node is not None and finding.brief not in noted:
            yield _step_row(DiagramStep(0, node.name, node.op, "(not on the data path)", (finding.brief,)), levels)
    if (more := outputs.pop("...", None)) is not None:
        yield Row((more[0], "", ""), style="unconnected")
    if outputs:
        name = "not computed from the images"
        yield Row((name, "", ""), style="unconnected", outputs=_bounded(list(outputs.values())))


def _tensor_styles(signature: SignatureDetails, findings: Sequence[Finding]) -> dict[tuple[str, str], str]:
    """Return the CSS class of each input and output that has a finding, by side and key."""
    styles: dict[tuple[str, str], str] = {}
    for finding in findings:
        side, key = finding.where.side, finding.where.key
        if side is not None and key is not None:
            # Findings call the only output of a signature "default", whatever its key.
            shown = signature.outputs[0][0] if side == "outputs" and len(signature.outputs) == 1 else key
            styles.setdefault((side, shown), _STYLES[finding.level])
    return styles


def _step_row(
    step: DiagramStep,
    levels: Mapping[str, Level],
    outputs: Sequence[tuple[str, str]] = (),
    sources: Sequence[int] = (),
) -> Row:
    found = {_STYLES[levels.get(note)] for note in step.notes}
    worst = next((style for style in _STYLES.values() if style in found), "box")
    return Row(
        cells=(step.name, step.ops if step.ops != step.name else "", step.shape),
        depth=step.depth,
        style="scope" if step.is_scope else worst,
        notes=tuple(_note_lines(step, levels)),
        outputs=_bounded(outputs),
        sources=tuple(sources),
    )


def _note_lines(step: DiagramStep, levels: Mapping[str, Level]) -> Iterator[tuple[str, str]]:
    for note in step.notes:
        level = levels.get(note)
        text = f"! {note}" if level is not None else f"suppressed: {note}"
        for line in textwrap.wrap(text, sum(COLUMNS) - 2 * step.depth, max_lines=3, subsequent_indent="  "):
            yield line, _STYLES[level]


def _bounded(outputs: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    more = len(outputs) - _MAX_OUTPUTS
    shown = outputs if more <= 0 else [*outputs[:_MAX_OUTPUTS], (f"... {more} more", "")]
    return tuple((shortened(text, sum(COLUMNS) // 2), style) for text, style in shown)


def shortened(text: str, longest: int) -> str:
    """Return a long text without its middle, keeping more of its end: node names differ there."""
    if len(text) <= longest:
        return text
    return f"{text[: longest // 3]}...{text[len(text) - (longest - longest // 3 - 3) :]}"
