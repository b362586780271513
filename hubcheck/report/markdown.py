"""Markdown, for the summary of a job or a comment on a change."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hubcheck.engine.module_report import ModuleReport
from hubcheck.engine.reports import Report
from hubcheck.report import describe
from hubcheck.util.text import plural, printable, printable_lines

_SIGNS = {"conforms": "✅", "violates": "❌", "incomplete": "⚠️", "error": "❌", "warning": "⚠️", "note": "ℹ️"}
_MARKUP = re.compile(r"([\\`*_{}\[\]<>()#+!|~@&-])")
_LINKED = re.compile(r"://|www\.|[@#]\w|\b(?:mailto|xmpp):|\bGH-\d|\b[0-9a-f]{7,40}\b", re.IGNORECASE)


def render(report: Report) -> Iterator[str]:
    """Yield a table of the modules, then a section for each."""
    yield "## hubcheck\n\n"
    facts = ", ".join(f"{name} {value}" for name, value in describe.run_facts(report))
    yield printable_lines(f"{escaped(describe.totals(report))}\n\n{escaped(facts)}\n\n")
    yield from (printable_lines(f"> {escaped(notice)}\n>\n") for notice in describe.run_notices(report))
    yield "\n| module | format | verdict | rules |\n|---|---|---|---|\n"
    for module in report.modules:
        verdict, counts = _verdict(module), describe.counts(module)
        row = f"| `{code(module.key)}` | {describe.FORMAT_NAMES[module.format]} | {verdict} | {counts} |\n"
        yield printable_lines(row)
    for module in report.modules:
        yield from (printable_lines(line) + "\n" for line in _section(module))


def _verdict(module: ModuleReport) -> str:
    return f"{_SIGNS[module.verdict]} {describe.display_name(module.verdict)}"


def _section(module: ModuleReport) -> Iterator[str]:
    found = plural(len(module.findings), "finding") if module.findings else "no findings"
    yield f"\n### {_verdict(module)}: `{code(module.key)}`, {found}\n"
    for finding in module.findings:
        where = escaped(describe.location(finding.where))
        yield f"- {_SIGNS[finding.level]} **{finding.level} `{finding.rule}`** {where}  "
        yield f"  {escaped(finding.message)}"
        for label, text in describe.finding_rows(finding):
            shown = f"`{code(text)}`" if label in ("found", "wanted", "or run", "again") else escaped(text)
            yield f"  - {label}: {shown}"
        yield ""
    for outcome in describe.crashes(module):
        yield f"**{outcome.crash_title}.**\n"
    if remarks := [*describe.unchecked_lines(module), *describe.sandbox_lines(module)]:
        yield from (f"- {word}: {escaped(text)}" for word, text in remarks)
        yield ""
    if not_decided := describe.grouped_reasons(module):
        yield "<details><summary>Suppressed and skipped rules</summary>\n"
        for word, reason, rules in not_decided:
            yield f"- {word}: {', '.join(f'`{rule}`' for rule in rules)}: {escaped(reason)}"
        yield "\n</details>"


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
