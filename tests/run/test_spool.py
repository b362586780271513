"""Reports of many modules are kept on disk, and come back as they were."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hubcheck.engine.details import Histogram, InputImage
from hubcheck.engine.module_report import ModuleReport, Suppressed
from hubcheck.engine.summary import summarize
from hubcheck.run.options import Options
from hubcheck.run.report_codec import report_from, report_text
from hubcheck.run.resolved import resolve
from hubcheck.run.spool import ReportSpool
from hubcheck.run.validate import stream
from tests.paths import DATA

OPTIONS = Options(static=True, jobs=1, details=True)


@pytest.fixture(scope="module")
def reports() -> list[ModuleReport]:
    modules = sorted(DATA.glob("?_*"))[:8]
    made = list(stream(modules, resolve(OPTIONS)))
    return [replace(made[number % len(made)], elapsed_s=number) for number in range(150)]


def test_reports_come_back_as_they_were(reports: list[ModuleReport]) -> None:
    kept = ReportSpool()
    for report in reports:
        kept.add(report)
    assert len(kept) == len(reports)
    assert list(kept) == reports
    assert list(reversed(kept)) == reports[::-1]
    assert kept[-1] == reports[-1]
    assert list(kept[60:70:3]) == reports[60:70:3]
    with pytest.raises(IndexError):
        kept[150]


def test_reports_can_be_added_after_others_were_read(reports: list[ModuleReport]) -> None:
    kept = ReportSpool()
    for number, report in enumerate(reports):
        kept.add(report)
        assert kept[number // 2] == reports[number // 2]


def test_what_they_add_up_to_is_counted_on_the_way(reports: list[ModuleReport]) -> None:
    kept = ReportSpool()
    for report in reports:
        kept.add(report)
    assert kept.summary == summarize(reports)
    assert kept.summary.levels["error"] == sum(f.level == "error" for report in reports for f in report.findings)


def test_a_stored_report_loses_nothing(reports: list[ModuleReport]) -> None:
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


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"path": 1, "more": 2}', b"null"])
def test_what_is_no_report_is_refused(text: bytes) -> None:
    with pytest.raises((ValueError, TypeError, KeyError, AttributeError)):
        report_from(text)
