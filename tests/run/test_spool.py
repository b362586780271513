"""A spool returns the reports that were added, from memory and from disk."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hubcheck.engine.details import Histogram, InputImage
from hubcheck.engine.module_report import ModuleReport, Suppressed
from hubcheck.engine.reports import summarize
from hubcheck.run.options import Options
from hubcheck.run.report_lines import ReportSpool, report_from, report_text
from hubcheck.run.resolved import resolve
from hubcheck.run.validate import stream
from tests.paths import DATA

OPTIONS = Options(static=True, jobs=1, details=True)


@pytest.fixture(scope="module")
def reports() -> list[ModuleReport]:
    modules = sorted(DATA.glob("?_*"))[:8]
    made = list(stream(modules, resolve(OPTIONS)))
    return [replace(made[number % len(made)], elapsed_s=number) for number in range(150)]


def test_reports_are_returned_unchanged(reports: list[ModuleReport]) -> None:
    spool = ReportSpool()
    for report in reports:
        spool.add(report)
    assert len(spool) == len(reports)
    assert list(spool) == reports
    assert list(reversed(spool)) == reports[::-1]
    assert spool[-1] == reports[-1]
    assert list(spool[60:70:3]) == reports[60:70:3]
    with pytest.raises(IndexError):
        spool[150]


def test_reports_can_be_added_after_others_were_read(reports: list[ModuleReport]) -> None:
    spool = ReportSpool()
    for number, report in enumerate(reports):
        spool.add(report)
        assert spool[number // 2] == reports[number // 2]


def test_the_summary_is_counted_while_reports_are_added(reports: list[ModuleReport]) -> None:
    spool = ReportSpool()
    for report in reports:
        spool.add(report)
    assert spool.summary == summarize(reports)
    assert spool.summary.levels["error"] == sum(f.level == "error" for report in reports for f in report.findings)


def test_a_report_survives_encoding(reports: list[ModuleReport]) -> None:
    bad = next(report for report in reports if report.findings)
    assert bad.details is not None
    full = replace(
        bad,
        suppressed=(Suppressed(bad.findings[0], "xfail", "known\nsince \u2028 ever"),),
        protections=("landlock",),
        details=replace(
            bad.details,
            histograms=(Histogram("s", "cpu", -1.5, 2.0, (1, 2, 3), 0.25),),
            images=(InputImage("noise", b"\x89PNG\x00\xff"),),
        ),
    )
    text = report_text(full)
    assert b"\n" not in text
    assert report_from(text) == full


@pytest.mark.parametrize(
    "text",
    [b"", b"[]", b"{}", b"null", b'{"path": 1, "more": 2}', b'{"details": null, "findings": ["x"]}', b'{"details": 1}'],
)
def test_a_text_that_is_not_a_report_is_a_value_error(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"not a report|Expecting value"):
        report_from(text)
