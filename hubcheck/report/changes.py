"""What is new, fixed and still failing since the last run of the same modules, as text that several formats share."""

from __future__ import annotations

from collections.abc import Sequence

from hubcheck.engine.history import Change
from hubcheck.engine.reports import Report
from hubcheck.util.text import plural, printable

_MAX_ROWS = 5


def history_rows(report: Report) -> list[tuple[str, str]]:
    """Return (label, text) of the counts and of the first changes of each kind, one in each line of the text."""
    history = report.history
    if history is None:
        return []
    new, fixed, failing = (sum(c.findings for c in rows) for rows in (history.new, history.fixed, history.failing))
    if history.previous is None:
        return [("history", f"first run of these modules: {plural(new, 'finding')}")]
    oldest = f", the oldest since {_date(history.failing[0].since)}" if history.failing else ""
    rows = [("history", f"since {_date(history.previous)}: {new} new, {fixed} fixed, {failing} still failing{oldest}")]
    rows += [("new", _listed(history.new))] if history.new else []
    rows += [("fixed", _listed(history.fixed, age=True))] if history.fixed else []
    return rows + ([("failing", _listed(history.failing, age=True))] if history.failing else [])


def _listed(changes: Sequence[Change], *, age: bool = False) -> str:
    lines = [
        f"{change.level} {change.rule} in {printable(change.path)}"
        + (f" since {_date(change.since)}, {plural(change.runs, 'run')}" if age else "")
        for change in changes[:_MAX_ROWS]
    ]
    more = len(changes) - _MAX_ROWS
    return "\n".join(lines + ([f"and {more} more"] if more > 0 else []))


def _date(time: str) -> str:
    """Return "2026-11-26T12:00:00Z" as "2026-11-26 12:00 UTC"."""
    return f"{printable(time[:10])} {printable(time[11:16])} UTC"
