"""The rows of the graph of a signature: inputs, the steps of its data path, outputs, with the findings on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from hubcheck.engine.details import DiagramStep, SignatureDetails
from hubcheck.engine.findings import Finding
from hubcheck.rulebook.levels import Level
from hubcheck.util.text import printable

_MAX_NOTE = 240
"""Characters of a finding."""
_MAX_OUTPUTS = 12
"""Outputs that are drawn at one step."""
_STYLES: dict[Level | None, str] = {"error": "bad", "warning": "warn", "note": "info", None: "dim"}

Styled = tuple[str, str]
"""Text and its CSS class."""


class Row(NamedTuple):
    """One row of a graph.

    Attributes:
        name, ops, shape: of the input, node or scope.
        depth: number of name scopes around it.
        style: CSS class of its box; a "scope" heading and what is "unconnected" have no box.
        notes: findings on it, below the name.
        outputs: outputs of the signature that leave here; their class is "" without a finding.
        sources: indices of the rows whose results it takes.
    """

    name: str
    ops: str = ""
    shape: str = ""
    depth: int = 0
    style: str = "box"
    notes: Sequence[Styled] = ()
    outputs: Sequence[Styled] = ()
    sources: Sequence[int] = ()


def graph_rows(signature: SignatureDetails, findings: Sequence[Finding]) -> Iterator[Row]:
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
        yield Row(key, text, style=styles.get(("inputs", key), "box"))
    fed = [n for n, (key, _) in enumerate(signature.inputs) if key == "images" or len(signature.inputs) == 1][:1]
    levels = {finding.brief: finding.level for finding in findings}
    steps = signature.steps
    # The placeholder of the only input is the input.
    known = bool(fed and steps and steps[0].ops in ("Placeholder", "_Arg") and not (steps[0].notes or steps[0].outputs))
    first = len(signature.inputs) - known
    for step in steps[known:] or (DiagramStep(0, signature.label, "", "", outputs=tuple(outputs)),):
        # The shape is in the row already.
        leaving = [outputs.pop(key) for key in step.outputs if key in outputs]
        leaving = [(text.removesuffix(step.shape).rstrip(), style) for text, style in leaving]
        sources = [n + first if n or not known else fed[0] for n in step.sources] or ([] if step.is_scope else fed)
        yield _step_row(step, levels, leaving, sources)
    noted = {note for step in signature.steps for note in step.notes}
    for finding in own:
        node = finding.where.node
        if node is not None and finding.brief not in noted:
            yield _step_row(DiagramStep(0, node.name, node.op, "(not on the data path)", (finding.brief,)), levels)
    if (more := outputs.pop("...", None)) is not None:
        yield Row(more[0], style="unconnected")
    if outputs:
        yield Row("not computed from the images", style="unconnected", outputs=_shown(list(outputs.values())))


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
    step: DiagramStep, levels: Mapping[str, Level], outputs: Sequence[Styled] = (), sources: Sequence[int] = ()
) -> Row:
    notes = [
        (
            f"{'!' if note in levels else 'suppressed:'} {printable(note, max_length=_MAX_NOTE)}",
            _STYLES[levels.get(note)],
        )
        for note in step.notes
    ]
    styles = {style for _, style in notes}
    worst = next((style for style in _STYLES.values() if style in styles), "box")
    style, ops = "scope" if step.is_scope else worst, step.ops if step.ops != step.name else ""
    return Row(step.name, ops, step.shape, step.depth, style, notes, _shown(outputs), sources)


def _shown(outputs: Sequence[Styled]) -> list[Styled]:
    """Return the outputs that are drawn at one step."""
    more = len(outputs) - _MAX_OUTPUTS
    return [*outputs] if more <= 0 else [*outputs[:_MAX_OUTPUTS], (f"... {more} more", "")]
