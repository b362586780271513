"""What notebooks show: the page of a report in a frame of its own, and small tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hubcheck.engine.module_report import ModuleReport
from hubcheck.engine.reports import Report, summarize
from hubcheck.report.formats import render
from hubcheck.report.page.headline import headline
from hubcheck.report.page.templates import environment

_MAX_MODULES = 500
"""Modules whose page a notebook keeps with the cell."""


def frame(report: Report) -> str:
    """Return a report as an iframe, in which its style and its script concern nothing else."""
    page = render(report, "html") if report.summary.modules <= _MAX_MODULES else None
    template = environment().get_template("notebook_frame.html.j2")
    return template.render(page=page, headline=headline(report), height=600 if report.modules else 200)


def module_frame(module: ModuleReport) -> str:
    """Return the report of one module as an iframe."""
    return frame(Report([module], summarize([module]), created=""))


def table(title: str, rows: Iterable[tuple[str, str | Sequence[str]]]) -> str:
    """Return a title, and label and texts of each row."""
    lists = [(label, [texts] if isinstance(texts, str) else list(texts)) for label, texts in rows]
    template = environment().get_template("notebook_table.html.j2")
    return template.render(title=title, rows=[(label, texts) for label, texts in lists if texts])
