"""One self-contained HTML page: verdicts, findings, rules with a filter, signatures, values and input images.

A content security policy forbids every request and every script but the page's own, so that nothing that a module
contains can do anything here. The templates escape everything that they are given.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from hubcheck._version import __version__
from hubcheck.engine.findings import Outcome
from hubcheck.engine.reports import Report
from hubcheck.report import describe
from hubcheck.report.diagram import diagram
from hubcheck.util.text import plural, printable_lines

TEMPLATES = Path(__file__).with_name("templates")


def render(report: Report) -> Iterator[str]:
    """Yield the page in pieces: one module at a time is in memory."""
    style, script = ((TEMPLATES / f"report.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
    page = environment().get_template("page.html.j2")
    yield from page.generate(report=report, version=__version__, style=Markup(style), script=Markup(script))


@cache
def environment() -> Environment:
    """Return the templates, with the functions that they call."""
    loader = FileSystemLoader(TEMPLATES)
    made = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.finalize = lambda value: printable_lines(value) if type(value) is str else value
    made.filters.update(
        base64=lambda data: base64.b64encode(data).decode(),
        csp_hash=_csp_hash,
        display=describe.display_name,
        px=lambda length: f"{length:.1f}",
    )
    made.globals.update(
        counts=describe.counts,
        diagram=diagram,
        finding_rows=describe.finding_rows,
        format_names=describe.FORMAT_NAMES,
        groups=_groups,
        location=describe.location,
        plural=plural,
        run_facts=describe.run_facts,
        run_notices=describe.run_notices,
        totals=describe.totals,
        suppressions=describe.SUPPRESSIONS,
        unchecked_lines=describe.unchecked_lines,
        sandbox_lines=describe.sandbox_lines,
    )
    return made


def _csp_hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _groups(outcomes: Iterable[Outcome]) -> dict[str, list[Outcome]]:
    groups: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault(outcome.rule.partition("/")[0], []).append(outcome)
    return groups
