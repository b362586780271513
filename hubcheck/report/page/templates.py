"""The templates of the page, with the filters and functions that they call. They escape everything that they print."""

from __future__ import annotations

import re
from functools import cache

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from hubcheck.report import describe
from hubcheck.report.page.badge import badge
from hubcheck.report.page.blocks import base64_text
from hubcheck.report.page.chart import chart
from hubcheck.report.page.graph import graphs
from hubcheck.report.page.policy import TEMPLATES
from hubcheck.util.text import plural, printable_lines

_BREAKS = re.compile(r"(?<=[/_:,])(?=\w)|(?<=\w-)(?=\w)")
_OPTION = re.compile(r"((?<!\S)--[\w-]+)")


@cache
def environment() -> Environment:
    """Return the templates."""
    loader = FileSystemLoader(TEMPLATES)
    made = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.finalize = lambda value: printable_lines(value) if type(value) is str else value
    made.filters.update(
        base64=base64_text,
        breakable=breakable,
        display=describe.display_name,
        number=lambda value: f"{value:.3g}".replace("-", "\N{MINUS SIGN}"),
        px=lambda length: f"{length:.1f}",
    )
    made.globals.update(
        badge_of=badge,
        chart=chart,
        counts=describe.counts,
        duration=describe.duration,
        finding_rows=describe.finding_rows,
        format_names=describe.FORMAT_NAMES,
        graphs=graphs,
        grouped_reasons=describe.grouped_reasons,
        location=describe.location,
        plural=plural,
        sandbox_lines=describe.sandbox_lines,
        suppressions=describe.SUPPRESSIONS,
        verdict_lines=describe.verdict_lines,
    )
    return made


def breakable(text: str) -> Markup:
    """Return text whose paths and names a browser breaks after their separators if the line is too short, and which it
    does not break after the hyphens of --options.
    """
    option = Markup('<span class="option">{}</span>')
    return Markup("").join(
        option.format(part) if n % 2 else Markup("<wbr>").join(map(escape, _BREAKS.split(part)))
        for n, part in enumerate(_OPTION.split(printable_lines(text)))
    )
