"""The verdict at the top of the page."""

from __future__ import annotations

from typing import NamedTuple

from hubcheck.engine.module_report import Verdict
from hubcheck.engine.reports import Report
from hubcheck.report import describe
from hubcheck.util.text import plural

_STYLES: dict[Verdict, str] = {"violates": "bad", "incomplete": "warn", "conforms": "good"}
_SIGNS: dict[Verdict, str] = {"violates": "✗", "incomplete": "?", "conforms": "✓"}


class Headline(NamedTuple):
    """The verdict of a run: a sentence, its sign and CSS class, and the counts below it."""

    text: str
    sign: str
    style: str
    counts: str


def headline(report: Report) -> Headline:
    """Return the verdict of a run: the worst one of its modules."""
    summary = report.summary
    if not summary.modules:
        return Headline("no modules", "?", "warn", "")
    worst = next(verdict for verdict in _STYLES if summary.verdicts[verdict])
    if worst == "conforms" and (report.incomplete or report.interrupted):
        worst = "incomplete"
    counts, word = describe.totals(report), describe.display_name(worst)
    if summary.modules == 1:
        counts = counts.partition("; ")[2]
        text = f"{report.modules[0].key} {'is incomplete' if worst == 'incomplete' else word}"
    elif summary.verdicts[worst] == summary.modules:
        text = f"all {summary.modules} modules {'are incomplete' if worst == 'incomplete' else word}"
    else:
        text = f"{summary.verdicts[worst]} of {plural(summary.modules, 'module')} {word}"
    return Headline(text, _SIGNS[worst], _STYLES[worst], counts)
