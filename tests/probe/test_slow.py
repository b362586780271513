"""If a module is too slow, the calls that were left out are reported and never shown as passed.

How slow a module is differs between machines. These tests set the soft deadline to next to nothing instead, so that
every optional call is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import hubcheck
from hubcheck.engine.findings import Outcome
from hubcheck.engine.reports import Report
from hubcheck.report import text
from tests.paths import DATA
from tests.probe.modules import pooled, tensorflow, tf1_module


def validate(path: Path, *, hurried: bool = True) -> Report:
    with pytest.MonkeyPatch.context() as patch:
        if hurried:
            patch.setattr("hubcheck.probe.dispatch.jobs.SOFT_DEADLINE", 1e-9)
        return hubcheck.validate(path)


def outcomes(report: Report) -> dict[str, Outcome]:
    return {outcome.rule: outcome for outcome in report.modules[0].outcomes}


def incomplete(of: dict[str, Outcome]) -> set[str]:
    return {rule for rule, outcome in of.items() if not outcome.complete}


@pytest.fixture(scope="module")
def hurried() -> Report:
    """A sound module of two variants; only its task signatures in inference were called, each of their calls once."""
    return validate(DATA / "a_good_feature_vector")


def test_rules_are_skipped_and_the_verdict_is_incomplete_if_a_target_was_not_run_at_all(hurried):
    found = outcomes(hurried)
    by_files = {"behaviour/deterministic"}
    names = {
        "behaviour/runs",
        "behaviour/batch-size",
        "behaviour/declared-shape",
        "module/servable",
        "module/trainable",
    }
    assert incomplete(found) == names | by_files
    for name in names:
        assert found[name].status == "skipped"
        assert "--timeout" in (found[name].reason or "")
    assert "variant train was not run" in (found["behaviour/runs"].reason or "")
    assert (hurried.modules[0].verdict, hurried.exit_code) == ("incomplete", 3)


def test_rules_pass_if_enough_was_run(hurried):
    found = outcomes(hurried)
    for name in ("module/loads", "behaviour/finite", "behaviour/informative", "behaviour/batch-independence"):
        assert (found[name].status, found[name].reason) == ("passed", None), name


def test_rules_that_the_files_decide_pass_and_say_what_was_not_run(hurried):
    found = outcomes(hurried)["behaviour/deterministic"]
    assert (found.status, found.decided_by, found.complete) == ("passed", "static", False)
    assert (found.reason or "").startswith("decided by the files alone: image_feature_vector")
    assert outcomes(hurried)["output/no-dropout"].complete, "what is the same in each run need not be repeated"
    shown = " ".join("".join(text.render(hurried)).split())
    assert (
        "incomplete behaviour/deterministic: image_feature_vector was not run for this check: one call takes" in shown
    )
    assert "raise it with --timeout" in shown


def test_a_default_signature_that_was_not_run_does_not_count_as_equal_to_the_task_signature():
    found = outcomes(validate(DATA / "n_default_differs"))
    assert {"module/default-signature", "behaviour/finite", "behaviour/informative"} <= incomplete(found)


def test_a_callable_that_was_not_run_is_reported(fixture_module: Callable[[str], Path]):
    found = outcomes(validate(fixture_module("output/no-dropout/good")))
    assert "behaviour/runs" in incomplete(found)
    assert found["module/callable"].status == "passed"


def test_what_the_files_cannot_decide_stays_undecided(tmp_path):
    """Noise behind a condition that depends on the images."""
    tf = tensorflow()

    def inference(images, kernel):
        x = pooled(images, kernel)
        return tf.cond(tf.reduce_mean(images) > 2.0, lambda: x + tf.random.normal(tf.shape(x)), lambda: x)

    module = tf1_module(tmp_path / "m", inference)
    hurried, unhurried = (outcomes(validate(module, hurried=hurried)) for hurried in (True, False))
    assert hurried["behaviour/deterministic"].status == "skipped"
    assert not hurried["behaviour/deterministic"].complete
    assert unhurried["behaviour/deterministic"].status == "passed"


def test_nothing_is_left_out_if_there_is_time():
    report = hubcheck.validate(DATA / "a_good_feature_vector")
    assert incomplete(outcomes(report)) == set()
    assert not [outcome for outcome in outcomes(report).values() if outcome.status == "passed" and outcome.reason]
    assert report.exit_code == 0


def test_training_that_fails_when_it_is_repeated_is_a_finding(tmp_path):
    """A counter in the module limits how often it runs."""
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
