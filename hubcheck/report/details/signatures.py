"""Signatures as a report for people draws them: their tensors, and the way through the graph. All of it is bounded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from hubcheck.checks.context import Context
from hubcheck.checks.graphs import DEFAULT, Entry, Flow, flow_of
from hubcheck.checks.outlines import entry_outline
from hubcheck.engine.details import Declared, Step
from hubcheck.engine.findings import Finding
from hubcheck.graph.outline.outline import Line
from hubcheck.module.types import INIT_OP_SIGNATURE, Shape, Signature, Tensor, Trace, Variant
from hubcheck.util.text import printable

_MOST_SIGNATURES = 100
_MOST_TRACES = 8
_MOST_TENSORS = 50
"""Inputs, or outputs, of one signature."""
_MOST_STEPS = 200
_MOST_MARKS = 5
"""Notes on one step."""
_LONGEST = 160
"""Characters of a name or a note."""


def declarations(context: Context, findings: Sequence[Finding]) -> tuple[Declared, ...]:
    """What a module declares: every signature, and the traces of the callable in which something was found.

    The way through the graph is drawn for those that the convention speaks of.

    Args:
        context: the module and the contracts.
        findings: those that name a node are marked where it stands.
    """
    made: list[Declared] = []
    for variant in context.module.variants:
        told = [finding for finding in findings if finding.where.variant in (None, variant.name)]
        readable = not any(finding.rule == "module/readable" for finding in findings)
        flow = flow_of(context, variant) if readable else None
        entries = {entry.signature: entry for entry in flow.entries if entry.signature} if flow is not None else {}
        for signature in variant.signatures.values():
            if signature.key != INIT_OP_SIGNATURE:
                plain = _declared(variant, signature)
                entry = entries.get(signature.key)
                made.append(plain if flow is None or entry is None else _with_steps(plain, flow, entry, told))
        if flow is not None:
            made += _traces(variant, flow, told)
    return tuple(made[:_MOST_SIGNATURES])


def _traces(variant: Variant, flow: Flow, findings: Sequence[Finding]) -> Iterator[Declared]:
    named = {finding.where.trace for finding in findings if finding.where.trace is not None}
    found = [entry for entry in flow.entries if entry.trace is not None and entry.trace.name in named]
    for entry in found[:_MOST_TRACES]:
        if entry.trace is not None:
            yield _with_steps(_declared(variant, entry.trace), flow, entry, findings)


def _declared(variant: Variant, what: Signature | Trace) -> Declared:
    if isinstance(what, Trace):
        name, key, inputs = printable(what.name), None, what.tensors
    else:
        name, key, inputs = None, printable(what.key), dict(what.inputs)
    outputs = {key or DEFAULT: tensor for key, tensor in what.outputs.items()}
    return Declared(printable(variant.name), key, name, _tensors(inputs), _tensors(outputs))


def _tensors(tensors: Mapping[str, Tensor]) -> tuple[tuple[str, str], ...]:
    shown = [(_text(key), _text(str(tensor))) for key, tensor in tensors.items()]
    more = len(shown) - _MOST_TENSORS
    return tuple(shown if more <= 0 else [*shown[:_MOST_TENSORS], ("...", f"{more:,} more")])


def _with_steps(declared: Declared, flow: Flow, entry: Entry, findings: Sequence[Finding]) -> Declared:
    lines = entry_outline(flow, entry, findings)
    # Of a signature with a single output, whatever its key, the convention speaks as "default".
    keys = {DEFAULT: declared.outputs[0][0]} if len(declared.outputs) == 1 else {}
    return replace(declared, steps=_bounded([_step(line, keys) for line in lines]))


def _step(line: Line, keys: Mapping[str, str]) -> Step:
    return Step(
        depth=line.depth,
        name=_text(line.name),
        ops=_text(line.summary),
        shape=_text(str(Shape(line.dims))) if line.dims is not None else "",
        marks=line.marks[:_MOST_MARKS],
        outputs=tuple(_text(keys.get(key, key)) for key in line.outputs[:_MOST_TENSORS]),
        sources=line.sources,
        opened=line.opened,
    )


def _bounded(steps: Sequence[Step]) -> tuple[Step, ...]:
    """The steps without those in the middle, if there are too many: a signature may have thousands of outputs."""
    more = len(steps) - _MOST_STEPS
    if more <= 0:
        return tuple(steps)
    first = _MOST_STEPS // 2
    places = [*range(first), *[first] * more, *range(first + 1, _MOST_STEPS + 1)]
    hidden = [key for step in steps[first : first + more] for key in step.outputs]
    gap = Step(0, f"... {more:,} more", "", "", outputs=tuple(hidden[:_MOST_TENSORS]))
    kept = (*steps[:first], gap, *steps[first + more :])
    return tuple(replace(step, sources=tuple(dict.fromkeys(places[n] for n in step.sources))) for step in kept)


def _text(text: str) -> str:
    return printable(text, longest=_LONGEST)
