"""What the two halves of a rule amount to: the table, and the states that single checks lead to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hubcheck.checks.context import Context
from hubcheck.checks.faults import Checked, CheckItem, Corroboration, Fault, Skip, Where
from hubcheck.engine import evaluation
from hubcheck.engine.evaluation import NOTHING_TO_CHECK, Results, evaluate, internal_error, unavailable
from hubcheck.engine.findings import Finding, Outcome
from hubcheck.engine.halves import Half, combine
from hubcheck.module.types import Module
from hubcheck.probe.observations import Observations
from hubcheck.rulebook.rules import Rule

PLACE = Where("", signature="image_feature_vector")
IN_FILES, IN_RUN = (Finding("a/rule", "error", PLACE, found, "", "", "", "") for found in ("files", "run"))
NOTED = Finding("a/rule", "error", PLACE, "files (seen)", "", "", "", "")

STATIC = {
    "failed": Half("failed", findings=(IN_FILES,)),
    "passed": Half("passed"),
    "inapplicable": Half("inapplicable", "no files"),
    "undecided": Half("undecided", "files do not say"),
    "absent": Half("not-run"),
}
PROBE = {
    "absent": Half("not-run"),
    "not run": Half("not-run", "--static"),
    "could not be run": Half("not-run", "no TensorFlow", complete=False),
    "inapplicable": Half("inapplicable", "no runs"),
    "blocked": Half("blocked", "needs x/y"),
    "passed": Half("passed", corroborations=(Corroboration(PLACE, "seen"),)),
    "failed": Half("failed", findings=(IN_RUN,)),
    "undecided": Half("undecided", "deadline", complete=False),
    "crashed": Half("crashed", "Traceback"),
}
FAILED = ("failed", None, True)
PASSED = ("passed", None, True)
CRASHED = ("broken", "Traceback", False)
# static: for each column, in the order of PROBE, (status, reason, complete)
TABLE = {
    "failed": [FAILED] * 8 + [CRASHED],
    "passed": [
        *[PASSED] * 2,
        ("passed", "decided by the files alone: no TensorFlow", False),
        *[PASSED] * 3,
        FAILED,
        ("passed", "decided by the files alone: deadline", False),
        CRASHED,
    ],
    "inapplicable": [*[("skipped", "no files", True)] * 5, PASSED, FAILED, ("skipped", "no files", True), CRASHED],
    "undecided": [
        ("skipped", "files do not say", True),
        ("skipped", "files do not say; --static", True),
        ("skipped", "files do not say; no TensorFlow", False),
        ("skipped", "no runs", True),
        ("skipped", "needs x/y", True),
        PASSED,
        FAILED,
        ("skipped", "deadline", False),
        CRASHED,
    ],
    "absent": [
        ("skipped", None, True),
        ("skipped", "--static", True),
        ("skipped", "no TensorFlow", False),
        ("skipped", "no runs", True),
        ("skipped", "needs x/y", True),
        PASSED,
        FAILED,
        ("skipped", "deadline", False),
        CRASHED,
    ],
}
CELLS = [(row, column, *cell) for row, cells in TABLE.items() for column, cell in zip(PROBE, cells, strict=True)]


@pytest.mark.parametrize(("row", "column", "status", "reason", "complete"), CELLS)
def test_two_halves_combine_as_the_table_says(row, column, status, reason, complete):
    decision = combine(STATIC[row], PROBE[column])
    assert (decision.status, decision.reason or None, decision.complete) == (status, reason, complete)
    of_files = {"passed": NOTED}.get(column, IN_FILES)
    expected = [of_files] * (row == "failed") + [IN_RUN] * (column == "failed")
    assert list(decision.findings) == expected
    deciding = "static" if row == "failed" or (row == "passed" and column not in ("passed", "failed")) else "probe"
    assert decision.decided_by == (deciding if status in ("passed", "failed") else None)


@pytest.mark.parametrize(
    ("level", "column", "complete"),
    [("error", "undecided", True), ("note", "undecided", False), ("warning", "could not be run", False),
     ("note", "not run", True), ("note", "passed", True)],
)  # fmt: skip
def test_a_note_of_the_files_does_not_hide_that_the_run_has_no_answer(level, column, complete):
    decision = combine(Half("failed", findings=(replace(IN_FILES, level=level),)), PROBE[column])
    assert (decision.status, decision.complete) == ("failed", complete)
    assert decision.reason == (None if complete else PROBE[column].reason)


@pytest.mark.parametrize("half", [Half("blocked", "needs x/y"), Half("crashed", "Traceback")])
def test_a_static_half_that_is_blocked_or_crashed_decides_alone(half):
    decision = combine(half)
    assert decision.status == {"blocked": "skipped", "crashed": "broken"}[half.verdict]
    assert decision.reason == half.reason


def rule(name: str, **more: Any) -> Rule:
    texts = dict.fromkeys(("title", "message", "why", "fix", "source", "requirement"), "text")
    return Rule(id=name, file=Path(f"{name}.toml"), level="error", **texts, **more)


def outcomes(results: Results) -> dict[str, Outcome]:
    return {outcome.rule: outcome for outcome in results.outcomes}


def yielding(*items: CheckItem) -> Callable[..., Iterator[CheckItem]]:
    return lambda context, observations=None: iter(items)


@pytest.fixture
def checks(monkeypatch):
    """Predicates by name, instead of those of files."""
    known: dict[str, Callable[..., Any]] = {}
    monkeypatch.setattr(evaluation, "predicate", known.__getitem__)
    return known


@pytest.fixture
def context(tmp_path):
    return Context(Module(path=tmp_path, format="tf2-saved-model", file="saved_model.pb"), {})


def result(context: Context, *rules: Rule, observations: Observations | None = None, **options: Any) -> Results:
    started = evaluate(context, {rule.id: rule for rule in rules}, **options)
    if observations is not None:
        return started.with_observations(observations)
    return started.without_run("not run", complete=True)


def test_a_fault_of_a_run_counts_where_the_files_had_nothing_to_check(context, checks):
    checks["static"], checks["probe"] = yielding(Skip("no files")), yielding(Fault(PLACE, "seen"))
    results = result(context, rule("a/rule", check="static", probe="probe"), observations=Observations())
    assert outcomes(results)["a/rule"].status == "failed"
    assert [finding.found for finding in results.findings] == ["seen"]


def test_a_check_that_yields_nothing_has_not_passed(context, checks):
    checks["static"] = yielding()
    outcome = outcomes(result(context, rule("a/rule", check="static")))["a/rule"]
    assert (outcome.status, outcome.reason) == ("skipped", NOTHING_TO_CHECK)


@pytest.mark.parametrize(
    ("items", "status", "reason"),
    [
        ([Checked()], "passed", ""),
        ([Checked(), Skip("nothing")], "passed", ""),
        ([Skip("nothing"), Skip("nothing")], "skipped", "nothing"),
        ([Checked(), Skip("open", undecided=True), Skip("nothing")], "skipped", "open"),
        ([Checked(), Skip("cut short", incomplete=True)], "skipped", "cut short"),
        ([Fault(PLACE), Skip("open", undecided=True)], "failed", ""),
    ],
)
def test_faults_count_before_open_questions_and_these_before_what_was_checked(context, checks, items, status, reason):
    checks["static"] = yielding(*items)
    outcome = outcomes(result(context, rule("a/rule", check="static")))["a/rule"]
    assert (outcome.status, outcome.reason or "") == (status, reason)
    assert outcome.complete is (reason != "cut short")


@pytest.mark.parametrize(("level", "blocks"), [(None, True), ("error", True), ("warning", False), ("note", False)])
def test_a_finding_at_the_rules_own_level_blocks_what_needs_the_rule(context, checks, level, blocks):
    checks["fails"], checks["passes"] = yielding(Fault(PLACE, level=level)), yielding(Checked())
    rules = [rule("b/needs", check="passes", needs=("a/*",)), rule("a/rule", check="fails")]
    outcome = outcomes(result(context, *rules))["b/needs"]
    assert (outcome.status, outcome.reason) == (("skipped", "needs a/rule") if blocks else ("passed", None))
    assumed = outcomes(result(context, *rules, assume_passed={"a/rule"}))
    assert assumed["b/needs"].status == "passed"


def test_a_skip_blocks_what_needs_the_rule_only_if_it_says_so(context, checks):
    checks["stops"], checks["skips"] = yielding(Skip("refused", blocks=True)), yielding(Skip("nothing"))
    checks["passes"] = yielding(Checked())
    rules = [rule("a/stops", check="stops"), rule("a/skips", check="skips")]
    rules += [rule(f"b/{name}", check="passes", needs=(f"a/{name}",)) for name in ("stops", "skips")]
    found = outcomes(result(context, *rules))
    assert (found["b/stops"].status, found["b/skips"].status) == ("skipped", "passed")


def test_a_run_is_awaited_only_where_it_can_decide_something(context, checks):
    checks["fails"] = yielding(Fault(PLACE))
    rules = {r.id: r for r in (rule("a/rule", check="fails"), rule("b/run", probe="probe", run_needs=("a/rule",)))}
    assert not evaluate(context, rules).awaits_run()
    assert evaluate(context, rules, assume_passed={"a/rule"}).awaits_run()
    assert not evaluate(context, rules, assume_passed={"a/rule"}, selected={"a/rule"}).awaits_run()


def test_a_check_that_raises_is_reported_with_its_traceback(context, checks):
    checks["static"] = lambda context: 1 / 0
    outcome = outcomes(result(context, rule("a/rule", check="static")))["a/rule"]
    assert (outcome.status, outcome.rule_error) == ("broken", False)
    assert "Traceback" in (outcome.reason or "")


def test_the_findings_of_a_rule_whose_run_crashes_are_kept(context, checks):
    checks["static"], checks["probe"] = yielding(Fault(PLACE, "files")), lambda context, observations: 1 / 0
    results = result(context, rule("a/rule", check="static", probe="probe"), observations=Observations())
    assert outcomes(results)["a/rule"].status == "broken"
    assert [finding.found for finding in results.findings] == ["files"]


def test_a_probe_check_knows_where_the_files_showed_the_fault(context, checks):
    def probe(context, observations):
        yield from (Corroboration(where, "confirmed") for where in context.found_in_files)

    checks["static"], checks["probe"] = yielding(Fault(PLACE, message="files")), probe
    results = result(context, rule("a/rule", check="static", probe="probe"), observations=Observations())
    assert [finding.message for finding in results.findings] == ["files (confirmed)"]


def test_a_module_that_is_not_available_leaves_every_rule_open(checks):
    rules = {r.id: r for r in (rule("a/rule", check="static"), rule("b/run", probe="probe"))}
    found = outcomes(unavailable(rules, rules, "the server is gone"))
    assert {(o.status, o.reason, o.complete) for o in found.values()} == {("skipped", "the server is gone", False)}


def test_an_internal_error_is_reported_of_a_rule_that_is_selected(context, checks):
    rules = {r.id: r for r in (rule("a/rule", check="static"), rule("b/run", probe="probe"))}
    checks["static"] = yielding(Checked())
    assert outcomes(internal_error(rules, {"b/run"}, "Traceback"))["b/run"].status == "broken"
    started = evaluate(context, rules, selected={"b/run"})
    found = outcomes(started.without_run("the dispatcher failed", complete=False, crashed=True))
    assert (found["b/run"].status, found["b/run"].reason) == ("broken", "the dispatcher failed")
