"""What `hubcheck diff` prints: for people, for programs, and for a comment on a change."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict

import click

from hubcheck._version import __version__
from hubcheck.diff.compare import Agreement, Change, Diff
from hubcheck.report.markdown import code, escaped
from hubcheck.report.text import WIDTH, labelled
from hubcheck.util.text import printable

_COLOURS = {"breaking": "red", "additive": "yellow", "note": "blue", "compatible": "green"}
_SIGNS = {"breaking": "❌", "additive": "➕", "note": "ℹ️", "compatible": "✅"}
_MEANINGS = {
    "compatible": "consumers of the old version can take the new one",
    "additive": "consumers of the old version can take the new one; it offers more",
    "breaking": "consumers of the old version have to change their code",
}


def text(diff: Diff) -> str:
    """Verdict, changes, agreement of values."""
    return "\n".join(_lines(diff)) + "\n"


def document(diff: Diff) -> str:
    """One JSON document."""
    data = {
        "hubcheck": __version__,
        "old": diff.old,
        "new": diff.new,
        "verdict": diff.verdict,
        "changes": [asdict(change) for change in diff.changes],
        "agreements": [asdict(agreement) for agreement in diff.agreements],
        "incomplete": diff.incomplete,
    }
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"


def markdown(diff: Diff) -> str:
    """The verdict and a table of the changes."""
    lines = [
        f"## {_SIGNS[diff.verdict]} {diff.verdict}: `{code(diff.old)}` to `{code(diff.new)}`",
        "",
        f"{_MEANINGS[diff.verdict].capitalize()}.",
        "",
    ]
    if diff.changes:
        lines += ["| change | where | what | old | new |", "|---|---|---|---|---|"]
        for change in diff.changes:
            values = (f"`{code(value)}`" if value else "" for value in (change.old, change.new))
            cells = (f"{_SIGNS[change.kind]} {change.kind}", escaped(_shown(change.where)), escaped(change.message))
            lines.append(f"| {' | '.join((*cells, *values))} |")
        lines.append("")
    lines += [f"- `{code(_place(row))}`: {escaped(agreement(row))}" for row in diff.agreements]
    if diff.incomplete:
        lines.append(f"- incomplete: {escaped(diff.incomplete)}")
    return "\n".join(lines) + "\n"


RENDERERS: Mapping[str, Callable[[Diff], str]] = {"text": text, "json": document, "markdown": markdown}


def agreement(row: Agreement) -> str:
    """ "values of the same pictures differ by 0.4 % of the largest one, correlation 0.9998"."""
    if row.difference is None:
        return f"values were not compared: {printable(row.reason or 'no reason told')}"
    if row.difference == 0:
        return "values of the same pictures are equal"
    together = "" if row.correlation is None else f", correlation {row.correlation:.4f}"
    return f"values of the same pictures differ by up to {100 * row.difference:.3g} % of the largest one{together}"


def _place(row: Agreement) -> str:
    return row.signature if row.output is None else f'{row.signature} · outputs["{row.output}"]'


def _lines(diff: Diff) -> Iterator[str]:
    verdict = click.style(diff.verdict, fg=_COLOURS[diff.verdict], bold=True)
    names = (click.style(printable(name), bold=True) for name in (diff.old, diff.new))
    yield f"{' -> '.join(names)}  {verdict}"
    yield f"  {_MEANINGS[diff.verdict]}"
    for change in diff.changes:
        yield from _change(change)
    for row in diff.agreements:
        yield f"  {click.style(printable(_place(row)), bold=True)}"
        yield from textwrap.wrap(agreement(row), WIDTH, initial_indent="    ", subsequent_indent="    ")
    if diff.incomplete:
        yield from labelled("incomplete", diff.incomplete, indent=2)


def _change(change: Change) -> Iterator[str]:
    kind = click.style(change.kind, fg=_COLOURS[change.kind], bold=True)
    yield f"  {kind} {click.style(_shown(change.where), dim=True)}"
    yield from textwrap.wrap(printable(change.message), WIDTH, initial_indent="    ", subsequent_indent="    ")
    for label, value in (("old", change.old), ("new", change.new)):
        if value:
            yield from labelled(label, printable(value), indent=4)


def _shown(where: str) -> str:
    return printable(where)
