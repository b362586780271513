"""What makes a verdict incomplete is said with the module, once for each reason."""

from __future__ import annotations

from hubcheck.engine.findings import Outcome
from hubcheck.engine.module_report import ModuleReport
from hubcheck.engine.reports import Report, summarize
from hubcheck.report import describe
from hubcheck.report.formats import render

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


def test_rules_with_one_reason_are_one_line() -> None:
    assert describe.undecided(MODULE) == [f"{REASON}: behaviour/finite, behaviour/runs, device/cpu and 1 more"]


def test_the_text_says_it_below_the_module() -> None:
    report = Report([MODULE], summarize([MODULE]))
    head, line, *_ = render(report, "text").splitlines()
    assert head == "? m  incomplete  0 passed, 5 skipped  0.00 s"
    assert line.startswith(f"  incomplete {REASON}: behaviour/finite, ")
    assert f"m: incomplete: {REASON}: behaviour/finite" in render(report, "concise")
