"""What rests on a fault that only a run shows, or that keeps a module from being run."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

import hubcheck
from tests.checks.hostile import in_signature
from tests.paths import DATA

FAILS_ON_BLACK = DATA / "cases" / "refuses_black"


def unchecked(report: hubcheck.Report) -> dict[str, tuple[str, bool, set[str]]]:
    (module,) = report.modules
    return {row.need: (row.why, row.accepted, set(row.rules)) for row in module.unchecked}


@pytest.mark.parametrize(
    ("select", "ignore", "why"), [(["behaviour/finite"], [], "not selected"), ([], ["behaviour/runs"], "ignore")]
)
def test_nothing_passes_for_checked_that_needs_a_run_which_failed(
    select: Iterable[str], ignore: Iterable[str], why: str
) -> None:
    report = hubcheck.validate(FAILS_ON_BLACK, select=select, ignore=ignore)
    assert (report.modules[0].verdict, report.exit_code) == ("incomplete", 3)
    found_why, accepted, rules = unchecked(report)["behaviour/runs"]
    assert (found_why, accepted) == (why, False)
    assert "behaviour/finite" in rules


def test_an_expected_failure_of_a_run_leaves_the_verdict(tmp_path: Path) -> None:
    text = '[[xfail]]\nrules = ["behaviour/runs"]\nreason = "black images are not fed"\n'
    (tmp_path / "hubcheck.toml").write_text(text, encoding="utf-8")
    report = hubcheck.validate(FAILS_ON_BLACK, config=tmp_path / "hubcheck.toml")
    assert report.modules[0].verdict == "conforms", [f.message for f in report.findings]
    why, accepted, rules = unchecked(report)["behaviour/runs"]
    assert (why, accepted) == ("xfail", True)
    assert {"behaviour/finite", "behaviour/deterministic"} <= rules


def test_what_the_files_alone_decide_is_not_the_whole_of_a_rule_whose_run_was_refused(tmp_path: Path) -> None:
    import tensorflow as tf

    module = in_signature(tmp_path / "m", lambda: tf.io.read_file("/etc/hostname"))
    report = hubcheck.validate(module, select=["output/no-dropout", "safety/network"], ignore=["module/callable"])
    assert (report.modules[0].verdict, report.exit_code) == ("incomplete", 3)
    (outcome,) = (outcome for outcome in report.modules[0].outcomes if outcome.rule == "output/no-dropout")
    assert (outcome.status, outcome.reason) == (
        "passed",
        "decided by the files alone: needs safety/file-access, which is not selected",
    )
    static = hubcheck.validate(module, static=True, select=["output/no-dropout", "safety/network"])
    assert static.modules[0].verdict == "conforms", "no run was asked for"
