"""Markdown, for the summary of a job or a comment on a change: what fails first, without modules that just conform."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from hubcheck.engine.module_report import ModuleReport
from hubcheck.engine.reports import Report
from hubcheck.report import describe
from hubcheck.report.changes import history_rows
from hubcheck.report.remarks import Remarks
from hubcheck.util.text import plural, printable, printable_lines

_SIGNS = {"conforms": "✅", "violates": "❌", "incomplete": "⚠️", "error": "❌", "warning": "⚠️", "note": "ℹ️"}
_MARKUP = re.compile(r"([\\`*_{}\[\]<>()#+!|~@&-])")
_LINKED = re.compile(r"://|www\.|[@#]\w|\b(?:mailto|xmpp):|\bGH-\d|\b[0-9a-f]{7,40}\b", re.IGNORECASE)
_HEAD_BYTES, _TABLE_BYTES, _SECTION_BYTES, _REMARK_BYTES = 200_000, 200_000, 500_000, 100_000
"""GitHub takes 1 MiB for the summary of a step. Source: docs.github.com, "Workflow commands"."""
_MAX_REASONS = 50


def render(report: Report) -> Iterator[str]:
    """Yield the counts of the run, the modules that fail or have findings, and what all modules have in common."""
    yield from _within(((text, 1) for text in _head(report)), _HEAD_BYTES, "remark")
    rows = (
        (("\n| module | format | verdict | rules |\n|---|---|---|---|\n" * (not n)) + _row(module), 1)
        for n, module in enumerate(_listed(report))
    )
    yield from _within(rows, _TABLE_BYTES, "module")
    yield from _within((block for module in _listed(report) for block in _section(module)), _SECTION_BYTES, "finding")
    yield from _within([(_remarks(report), 1)], _REMARK_BYTES, "remark")


def _within(blocks: Iterable[tuple[str, int]], room: int, noun: str) -> Iterator[str]:
    """Yield blocks of text until they have `room` bytes, and then how many things the others would have listed."""
    more = 0
    for block, things in blocks:
        text = printable_lines(block)
        room -= len(text.encode("utf-8", "backslashreplace"))
        if room >= 0:
            yield text
        else:
            more += things
    if more:
        yield f"\n{plural(more, f'more {noun}')}, listed in the other reports\n"


def _listed(report: Report) -> Iterator[ModuleReport]:
    """Yield the modules that fail, those that are incomplete, and those that conform and have findings."""
    for verdict in ("violates", "incomplete", "conforms"):
        yield from (m for m in report.modules if m.verdict == verdict and (m.findings or verdict != "conforms"))


def _head(report: Report) -> Iterator[str]:
    """Yield the counts of the run, with what it was made, and what changed since the last run."""
    facts = ", ".join(f"{name} {value}" for name, value in describe.run_facts(report))
    yield f"## hubcheck\n\n{escaped(describe.totals(report))}\n\n{escaped(facts)}\n\n"
    yield from (f"> {escaped(notice)}\n>\n" for notice in describe.run_notices(report))
    yield "\n"
    yield from (f"- {label}: {escaped('; '.join(text.splitlines()))}\n" for label, text in history_rows(report))


def _remarks(report: Report) -> str:
    """Return what the modules have in common."""
    remarks, lines, word = Remarks(), list[str](), ""
    for module in report.modules:
        remarks.add(module)
    for label, text in remarks.rows(report.summary.modules, most=_MAX_REASONS):
        word = label or word
        lines.append(f"- {word}: {escaped(text)}\n")
    title = "<details><summary>Suppressed and skipped rules of all modules</summary>"
    return f"\n{title}\n\n{''.join(lines)}\n</details>\n" if lines else ""


def _verdict(module: ModuleReport) -> str:
    return f"{_SIGNS[module.verdict]} {describe.display_name(module.verdict)}"


def _row(module: ModuleReport) -> str:
    names = f"`{code(module.key)}` | {describe.FORMAT_NAMES[module.format]}"
    return f"| {names} | {_verdict(module)} | {describe.counts(module)} |\n"


def _section(module: ModuleReport) -> Iterator[tuple[str, int]]:
    """Yield the blocks of a module, each with the number of findings in it."""
    found = plural(len(module.findings), "finding") if module.findings else "no findings"
    yield f"\n### {_verdict(module)}: `{code(module.key)}`, {found}\n\n", 0
    for finding in module.findings:
        where = escaped(describe.location(finding.where))
        lines = [f"- {_SIGNS[finding.level]} **{finding.level} `{finding.rule}`** {where}  "]
        lines.append(f"  {escaped(finding.message)}")
        for label, text in describe.finding_rows(finding):
            shown = f"`{code(text)}`" if label in ("found", "wanted", "or run", "fixable", "again") else escaped(text)
            lines.append(f"  - {label}: {shown}")
        yield "\n".join([*lines, "", ""]), 1
    for outcome in describe.crashes(module):
        yield f"**{outcome.crash_title}.**\n\n", 0
    for word, text in describe.verdict_lines(module):
        yield f"- {word}: {escaped(text)}\n", 0
    if not_decided := describe.grouped_reasons(module):
        lines = ["", "<details><summary>Suppressed and skipped rules</summary>", ""]
        for word, reason, rules in not_decided:
            lines.append(f"- {word}: {', '.join(f'`{rule}`' for rule in rules)}: {escaped(reason)}")
        yield "\n".join([*lines, "", "</details>", ""]), 0


def escaped(text: str) -> str:
    """Return text with all markup escaped: names of a module may be hostile.

    Escapes do not keep services from linking addresses, people and issues; code spans do.
    """
    words = printable(" ".join(text.split()), max_length=len(text)).split(" ")
    return " ".join(f"`{code(word)}`" if _LINKED.search(word) else _MARKUP.sub(r"\\\1", word) for word in words)


def code(text: str) -> str:
    """Return text that can be between backticks, in a table too: there a backslash escapes the bar after it."""
    text = printable(" ".join(text.split()), max_length=len(text)).replace("`", "'").replace("\\|", r"\\x7c")
    return text.replace("|", "\\|") or " "
