"""Workflow commands of GitHub Actions: printed by a job, they annotate the commit or pull request that it runs for.

GitHub shows ten annotations of a kind for each step. The first findings of all modules come first; what is beyond the
limit is counted by the last annotation, and listed in a group of the log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from heapq import nsmallest
from itertools import count
from typing import Literal, NamedTuple

from hubcheck.engine.module_report import ModuleReport
from hubcheck.engine.reports import Report
from hubcheck.report import describe
from hubcheck.report.changes import history_rows
from hubcheck.report.remarks import Remarks
from hubcheck.util.text import printable_lines

Kind = Literal["error", "warning", "notice"]
_KINDS: dict[str, Kind] = {"error": "error", "warning": "warning", "note": "notice"}
_MAX_OF_A_KIND = 10
"""Source: docs.github.com, "Workflow commands": 10 warnings, 10 errors and 10 notices of a step are shown."""
_IN_DATA = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_IN_PROPERTY = _IN_DATA | str.maketrans({":": "%3A", ",": "%2C"})


class _Annotation(NamedTuple):
    """An annotation; `rank` is 0 for the first one of its kind about a module, 1 for the second, and so on."""

    kind: Kind
    rank: int
    title: str
    text: str
    file: str | None = None


def render(report: Report) -> Iterator[str]:
    """Yield a command for each finding, module that is incomplete and remark, and one for the whole run."""
    found = Counter(annotation.kind for annotation in _annotations(report))
    found["notice"] += 1
    shown = set[tuple[Kind, int]]()
    for kind in ("error", "warning", "notice"):
        room = _MAX_OF_A_KIND - (kind == "notice")
        rows = ((annotation.rank, n, annotation) for n, annotation in _numbered(report) if annotation.kind == kind)
        fits = found[kind] <= _MAX_OF_A_KIND
        for _, number, annotation in sorted(nsmallest(room if fits else room - 1, rows), key=lambda row: row[1]):
            shown.add((kind, number))
            yield _command(annotation)
        if not fits:
            more = found[kind] - _MAX_OF_A_KIND + 1
            yield _command(_Annotation(kind, 0, "hubcheck", f"{more} more, listed in the log and in the other reports"))
    yield _command(_Annotation("notice", 0, "hubcheck", "\n".join(_whole_run(report))))
    hidden = [kind for kind, number in found.items() if number > _MAX_OF_A_KIND]
    if hidden:
        yield "::group::hubcheck: everything beyond the limit of ten annotations\n"
        for number, annotation in _numbered(report):
            if annotation.kind in hidden and (annotation.kind, number) not in shown:
                first = annotation.text.partition("\n")[0]
                yield printable_lines(f"{annotation.kind} {annotation.title}: {first}") + "\n"
        yield "::endgroup::\n"


def _numbered(report: Report) -> Iterator[tuple[int, _Annotation]]:
    return zip(count(), _annotations(report), strict=False)


def _annotations(report: Report) -> Iterator[_Annotation]:
    yield from (_Annotation("warning", 0, "hubcheck", notice) for notice in describe.run_notices(report))
    for module in report.modules:
        yield from _of_module(module)


def _of_module(module: ModuleReport) -> Iterator[_Annotation]:
    ranks: dict[str, Iterator[int]] = {kind: count() for kind in _KINDS.values()}
    for outcome in describe.crashes(module):
        text = f"{module.key}: {outcome.reason or ''}"
        yield _Annotation("error", next(ranks["error"]), outcome.crash_title, text)
    if texts := describe.undecided(module):
        text = "\n".join([f"{module.key}: incomplete: {describe.counts(module)}", *texts])
        yield _Annotation("warning", next(ranks["warning"]), "hubcheck", text)
    file = describe.annotated_file(module)
    for finding in module.findings:
        kind, text = _KINDS[finding.level], describe.finding_text(module, finding)
        yield _Annotation(kind, next(ranks[kind]), f"hubcheck {finding.rule}", text, file)


def _whole_run(report: Report) -> Iterator[str]:
    """Yield the counts of the run, what its modules have in common, and what changed since the last run."""
    yield describe.totals(report)
    yield ", ".join(f"{name} {value}" for name, value in describe.run_facts(report))
    remarks = Remarks()
    for module in report.modules:
        remarks.add(module)
    word = ""
    for label, text in (*remarks.rows(report.summary.modules, most=_MAX_OF_A_KIND), *history_rows(report)):
        word = label or word
        yield f"{word}: {text}"


def _command(annotation: _Annotation) -> str:
    """Return one command.

    Source: GitHub's toolkit, packages/core/src/command.ts: what is escaped in data and in properties.
    """
    place = {"file": annotation.file, "line": "1"} if annotation.file is not None else {}
    properties = {**place, "title": annotation.title}
    shown = ",".join(f"{key}={printable_lines(value).translate(_IN_PROPERTY)}" for key, value in properties.items())
    return f"::{annotation.kind} {shown}::{printable_lines(annotation.text).translate(_IN_DATA)}\n"
