"""The output of `hubcheck diff`: text, JSON and Markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict

import click

from hubcheck._version import __version__
from hubcheck.diff.changes import Agreement, Diff
from hubcheck.report.json import json_text
from hubcheck.report.markdown import code, escaped
from hubcheck.report.text_lines import WIDTH, labelled
from hubcheck.util.text import printable, printable_lines

_COLOURS = {"breaking": "red", "additive": "yellow", "note": "blue", "compatible": "green"}
_SIGNS = {"breaking": "❌", "additive": "➕", "note": "ℹ️", "compatible": "✅"}
_MEANINGS = {
    "compatible": "consumers of the old version can use the new one",
    "additive": "consumers of the old version can use the new one, which offers more",
    "breaking": "consumers of the old version must change their code",
}


def text(diff: Diff) -> str:
    """Return the verdict, the changes and the comparison of values as text."""
    return "".join(printable_lines(line, styled=True) + "\n" for line in _text_lines(diff))


def document(diff: Diff) -> str:
    """Return one JSON document."""
    data = {"hubcheck": __version__, "old": diff.old, "new": diff.new, "verdict": diff.verdict, **asdict(diff)}
    return json_text(data) + "\n"


def markdown(diff: Diff) -> str:
    """Return the verdict, a table of the changes and the comparison of values as Markdown."""
    title = f"## {_SIGNS[diff.verdict]} {diff.verdict}: `{code(diff.old)}` to `{code(diff.new)}`"
    lines = [title, "", f"{_MEANINGS[diff.verdict].capitalize()}.", ""]
    if diff.changes:
        lines += ["| change | where | what | old | new |", "|---|---|---|---|---|"]
        for change in diff.changes:
            values = (f"`{code(value)}`" if value else "" for value in (change.old, change.new))
            where = escaped(printable(change.where))
            cells = (f"{_SIGNS[change.kind]} {change.kind}", where, escaped(change.message), *values)
            lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
    lines += [f"- `{code(_where(row))}`: {escaped(_result(row))}" for row in diff.agreements]
    if diff.incomplete:
        lines.append(f"- incomplete: {escaped(diff.incomplete)}")
    return printable_lines("\n".join(lines)) + "\n"


RENDERERS: Mapping[str, Callable[[Diff], str]] = {"text": text, "json": document, "markdown": markdown}


def _result(row: Agreement) -> str:
    """Return "the values for the same images differ by up to 0.4 % of the largest one, correlation 0.9998"."""
    if row.difference is None:
        return f"the values were not compared: {printable(row.reason or 'unknown reason')}"
    if row.difference == 0:
        return "the values for the same images are equal"
    correlation = "" if row.correlation is None else f", correlation {row.correlation:.4f}"
    share = f"{100 * row.difference:.3g} % of the largest one"
    return f"the values for the same images differ by up to {share}{correlation}"


def _where(row: Agreement) -> str:
    return row.signature if row.output is None else f'{row.signature} · outputs["{row.output}"]'


def _text_lines(diff: Diff) -> Iterator[str]:
    verdict = click.style(diff.verdict, fg=_COLOURS[diff.verdict], bold=True)
    yield f"{' -> '.join(click.style(printable(name), bold=True) for name in (diff.old, diff.new))}  {verdict}"
    yield f"  {_MEANINGS[diff.verdict]}"
    for change in diff.changes:
        kind = click.style(change.kind, fg=_COLOURS[change.kind], bold=True)
        yield f"  {kind} {click.style(printable(change.where), dim=True)}"
        yield from _wrapped(printable(change.message))
        for label, value in (("old", change.old), ("new", change.new)):
            if value:
                yield from labelled(label, printable(value), indent=4)
    for row in diff.agreements:
        yield f"  {click.style(printable(_where(row)), bold=True)}"
        yield from _wrapped(_result(row))
    if diff.incomplete:
        yield from labelled("incomplete", diff.incomplete, indent=2)


def _wrapped(message: str) -> list[str]:
    return textwrap.wrap(message, WIDTH, initial_indent="    ", subsequent_indent="    ")
