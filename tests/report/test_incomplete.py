"""What makes a verdict incomplete is said with the module, once for each reason."""

from __future__ import annotations

import pytest

from hubcheck.engine.findings import Outcome
from hubcheck.engine.module_report import ModuleReport
from hubcheck.engine.reports import Report, summarize
from hubcheck.report import describe
from hubcheck.report.formats import render
from tests.report.facts import unescaped

REASON = "TensorFlow is not installed"


def incomplete(rule: str, reason: str) -> Outcome:
    return Outcome(rule, "error", "skipped", reason=reason, complete=False)


MODULE = ModuleReport(
    "m",
    "tf2-saved-model",
    (
        incomplete("behaviour/finite", REASON),
        incomplete("behaviour/runs", REASON),
        incomplete("device/cpu", f"only a run shows whether each op has a kernel that works; {REASON}"),
        incomplete("module/loads", REASON),
        Outcome("package/layout", "warning", "skipped", reason="not an archive"),
    ),
    (),
)

REASONS = f"behaviour/finite, behaviour/runs, device/cpu and 1 more: {REASON}"


def test_rules_with_one_reason_are_one_line() -> None:
    assert describe.undecided(MODULE) == [REASONS]


def test_the_text_says_it_below_the_module() -> None:
    report = Report([MODULE], summarize([MODULE]))
    head, line, *_ = render(report, "text").splitlines()
    assert head == "? m  incomplete  0 passed, 5 skipped  0.00 s"
    assert line.startswith("  incomplete behaviour/finite, behaviour/runs, device/cpu and 1 more: ")
    assert f"m: incomplete: {REASONS}" in render(report, "concise")


@pytest.mark.parametrize("style", ["markdown", "html"])
def test_a_page_says_it_above_the_skipped_rules(style: str) -> None:
    text = " ".join(unescaped(render(Report([MODULE], summarize([MODULE])), style)).split())
    assert text.count(f"incomplete: {REASONS}") == 1
    assert text.index(f"incomplete: {REASONS}") < text.index("skipped: ")
