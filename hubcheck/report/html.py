"""One self-contained HTML page: the verdict, the modules with failures first, and a card with the details of each.

A content security policy forbids every request, and every style and script but the page's own, so that nothing that a
module contains can do anything here. The templates escape everything that they are given. The cards of a few modules
are markup, readable without the script; those of many are packed, and unpacked by the script when they are opened.
"""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup

from hubcheck.engine.reports import Report
from hubcheck.report import describe
from hubcheck.report.changes import history_rows
from hubcheck.report.page.blocks import BLOCK_SIZE, ImageTable, blocks
from hubcheck.report.page.headline import headline
from hubcheck.report.page.index import Entry, entries
from hubcheck.report.page.policy import asset, content_security_policy, source_hashes
from hubcheck.report.page.templates import environment
from hubcheck.rulebook.levels import LEVELS

__all__ = ["render", "source_hashes"]

_MAX_UNPACKED = 20
"""Modules whose cards are markup of the page."""


def render(report: Report) -> Iterator[str]:
    """Yield the page in pieces: one module at a time, or one block of them, is in memory."""
    images = ImageTable()
    groups = entries(report.modules, report.history)
    packed = report.summary.modules > _MAX_UNPACKED
    level = 4 if report.summary.modules > 1 else 2  # below the headings of the page
    card = environment().get_template("module.html.j2")

    def markup(entry: Entry) -> Markup:
        module = report.modules[entry.number]
        return Markup(card.render(module=module, level=level, image_number=images.number if packed else None))

    def packed_cards() -> Iterator[tuple[Markup, list[tuple[int, bytes]]]]:
        for block in blocks(markup(entry) for group in groups.values() for entry in group):
            yield block, images.take_new()

    page = environment().get_template("page.html.j2")
    yield from page.generate(
        report=report,
        summary=report.summary,
        failed_rules=sorted(report.summary.rules, key=lambda row: LEVELS.index(row.level)),
        groups=groups,
        headline=headline(report),
        facts=describe.run_facts(report),
        history=history_rows(report),
        problems=describe.run_notices(report),
        packed=packed,
        block_size=BLOCK_SIZE,
        max_unpacked=_MAX_UNPACKED,
        card=markup,
        packed_cards=packed_cards,
        policy=Markup(content_security_policy()),
        style=Markup(asset("report.css")),
        script=Markup(asset("report.js")),
    )
