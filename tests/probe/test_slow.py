"""Of a module that is too slow, what was left out is told, and never shown as passed.

How slow a module is differs between machines, so none is slow here: hubcheck's patience is as good as none, which
leaves out whatever may be.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import hubcheck
from hubcheck.engine.findings import Outcome
from hubcheck.engine.reports import Report
from hubcheck.probe.pool import ProbeOptions
from hubcheck.report import text
from tests.paths import DATA
from tests.probe.modules import pooled, tensorflow, tf1_module

IMPATIENT = ProbeOptions(patience=1e-9)


def outcomes(report: Report) -> dict[str, Outcome]:
    return {outcome.rule: outcome for outcome in report.modules[0].outcomes}


def left_out(found: dict[str, Outcome]) -> set[str]:
    return {rule for rule, outcome in found.items() if not outcome.complete}


@pytest.fixture(scope="module")
def hurried() -> Report:
    """A sound module in two variants, of which only what task signatures do in inference was run, and once."""
    return hubcheck.validate(DATA / "a_good_feature_vector", probe=IMPATIENT)


def test_rules_of_which_something_was_not_run_at_all_are_skipped_and_leave_the_verdict_open(hurried):
    found = outcomes(hurried)
    names = {"behaviour/runs", "behaviour/batch-size", "behaviour/declared-shape", "module/servable"}
    assert left_out(found) == names
    for name in names:
        assert found[name].status == "skipped"
        assert "--timeout" in (found[name].reason or "")
    assert "variant train was not run" in (found["behaviour/runs"].reason or "")
    assert (hurried.modules[0].verdict, hurried.exit_code) == ("incomplete", 3)


def test_rules_that_were_run_enough_passed(hurried):
    found = outcomes(hurried)
    for name in ("module/loads", "behaviour/finite", "behaviour/informative", "behaviour/batch-independence"):
        assert (found[name].status, found[name].reason) == ("passed", None), name


def test_rules_that_the_files_decided_passed_and_say_what_was_not_run(hurried):
    found = outcomes(hurried)
    for name in ("behaviour/deterministic", "output/no-dropout"):
        assert (found[name].status, found[name].decided_by, found[name].complete) == ("passed", "static", True)
        assert (found[name].reason or "").startswith("decided by the files alone: image_feature_vector")
    shown = " ".join("".join(text.render(hurried)).split())
    assert "passed decided by the files alone: image_feature_vector was not run for it" in shown


def test_a_default_signature_that_was_not_run_is_not_said_to_be_the_task_signature():
    found = outcomes(hubcheck.validate(DATA / "n_default_differs", probe=IMPATIENT))
    assert {"module/default-signature", "behaviour/finite", "behaviour/informative"} <= left_out(found)


def test_a_callable_that_was_not_run_is_told(fixture_module: Callable[[str], Path]):
    found = outcomes(hubcheck.validate(fixture_module("output/no-dropout/good"), probe=IMPATIENT))
    assert "behaviour/runs" in left_out(found)
    assert found["module/callable"].status == "passed"


def test_what_the_files_leave_open_stays_open(tmp_path):
    """Noise behind a condition that only the pictures decide."""
    tf = tensorflow()

    def inference(images, kernel):
        x = pooled(images, kernel)
        return tf.cond(tf.reduce_mean(images) > 2.0, lambda: x + tf.random.normal(tf.shape(x)), lambda: x)

    module = tf1_module(tmp_path / "m", inference)
    hurried, patient = (outcomes(hubcheck.validate(module, probe=probe)) for probe in (IMPATIENT, None))
    assert hurried["behaviour/deterministic"].status == "skipped"
    assert not hurried["behaviour/deterministic"].complete
    assert patient["behaviour/deterministic"].status == "passed"


def test_with_time_nothing_is_left_out():
    report = hubcheck.validate(DATA / "a_good_feature_vector")
    assert left_out(outcomes(report)) == set()
    assert not [outcome for outcome in outcomes(report).values() if outcome.status == "passed" and outcome.reason]
    assert report.exit_code == 0


def test_training_that_fails_when_it_is_repeated_is_a_finding(tmp_path):
    """A counter that the module keeps lets it run a few times only."""
    tf = tensorflow()

    def training(images, kernel):
        counter = tf.compat.v1.get_variable("counter", initializer=0, trainable=False)
        with tf.control_dependencies([tf.debugging.assert_less(counter.assign_add(1), 9)]):
            return tf.identity(pooled(images, kernel))

    def inference(images, kernel):
        tf.compat.v1.get_variable("counter", initializer=0, trainable=False)
        return pooled(images, kernel)

    report = hubcheck.validate(tf1_module(tmp_path / "m", inference, training))
    assert "behaviour/runs" in {finding.rule for finding in report.findings}
