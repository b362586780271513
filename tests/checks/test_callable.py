"""Modules without a common signature are judged on their callable; so are all under `--convention saved-model-api`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

import hubcheck
from hubcheck.rulebook.convention import CONVENTIONS, Convention
from tests.checks import callables as c

pytestmark = pytest.mark.slow

SCALAR, FLAG = c.tf.TensorSpec([], c.tf.float32), c.tf.TensorSpec([], c.tf.bool)
OPEN, BYTES = c.images(None, None, None, 3), c.images(None, c.HEIGHT, c.WIDTH, 3, dtype=c.tf.uint8)
NAMELESS = {"module/task-signature", "module/default-signature"}

GOOD: dict[str, tuple[c.Call, c.Traces]] = {
    "plain": (c.plain, c.both()),
    "a number with a default": (c.momentum, c.both(batch_norm_momentum=SCALAR)),
    "an option with another result": (c.endpoints, [*c.both(return_endpoints=False), *c.both(return_endpoints=True)]),
    "a call before the export": (c.plain, [((c.images(1, 24, 32, 3),), {"training": False}), *c.both()]),
    "uint8 as well": (c.plain, [*c.both(BYTES), *c.both()]),
    "training as a tensor": (c.plain, [((c.images(),), {"training": FLAG})]),
}
BAD: dict[str, tuple[c.Call, c.Traces, str]] = {
    "uint8 alone": (c.plain, c.both(BYTES), "image-input/dtype"),
    "a fixed batch": (c.plain, c.both(c.images(4, 24, 32, 3)), "image-input/batch-size"),
    "pixels of 0 to 255": (c.bytes_wanted, c.both(), "image-input/value-range"),
    "a feature map": (c.feature_map, c.both(), "output/rank"),
    "more features in training": (c.wider, c.both(), "module/variants"),
    "dropout in training": (c.dropped, c.both(), "output/no-dropout"),
    "noise": (c.random, c.both(), "behaviour/deterministic"),
    "NaN for black images": (c.not_a_number, c.both(), "behaviour/finite"),
    "a required number": (c.scaled, c.both(scale=SCALAR), "module/callable"),
    "training without a default": (c.flag, c.both(), "module/callable"),
    "training by default": (c.trains, c.both(), "module/callable"),
    "a keyword alone": (
        c.keyword,
        [((), {"images": c.images(), "training": t}) for t in (False, True)],
        "module/callable",
    ),
    "an option in inference alone": (
        c.endpoints,
        [*c.both(return_endpoints=False), ((c.images(),), {"training": False, "return_endpoints": True})],
        "module/callable",
    ),
    "inference alone": (c.plain, c.both()[:1], "module/callable"),
}
STRANGE: dict[str, tuple[c.Call, c.Traces]] = {
    "a dictionary": (c.dictionary, c.both()),
    "text": (c.text, [((c.tf.TensorSpec([None], c.tf.string),), {})]),
    "tokens": (c.tokens, [(({"ids": c.tf.TensorSpec([None, 16], c.tf.int32)},), {})]),
}

Reports = Mapping[Convention, Mapping[str, hubcheck.ModuleReport]]


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Reports:
    """The reports of all modules under both conventions."""
    folder = tmp_path_factory.mktemp("callables")
    for name, (call, traces, *_) in {**GOOD, **BAD, **STRANGE}.items():
        c.publish(folder / name, call, traces)
    c.publish(folder / "open sizes", c.plain, c.both(OPEN), signature=None)
    c.publish(folder / "any shape", c.plain, c.both(c.tf.TensorSpec(None, c.tf.float32)))
    c.publish(folder / "probabilities", c.probabilities, c.both(), signature="image_classification")
    c.publish(folder / "another signature", c.plain, c.both(BYTES), signature="image_feature_vector")
    return {
        convention: {
            Path(report.path).name: report for report in hubcheck.validate(folder, convention=convention).modules
        }
        for convention in CONVENTIONS
    }


def failed(report: hubcheck.ModuleReport) -> set[str]:
    assert [outcome.reason for outcome in report.outcomes if outcome.status == "broken" or not outcome.complete] == []
    return {finding.rule for finding in report.findings}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_callable_lacks_the_signature_alone(name: str, reports: Reports) -> None:
    assert failed(reports["common-signatures"][name]) == {"module/task-signature"}
    assert failed(reports["saved-model-api"][name]) == set()
    assert reports["saved-model-api"][name].verdict == "conforms"


@pytest.mark.parametrize("name", BAD)
def test_a_fault_of_the_callable_is_found_beside_the_missing_signature(name: str, reports: Reports) -> None:
    rule = BAD[name][-1]
    assert failed(reports["common-signatures"][name]) == {"module/task-signature", rule}
    assert failed(reports["saved-model-api"][name]) == {rule}


@pytest.mark.parametrize("name", BAD)
def test_every_finding_of_a_run_can_be_seen_again(name: str, reports: Reports) -> None:
    for convention in CONVENTIONS:
        for finding in reports[convention][name].findings:
            assert not finding.replay or ("--convention" in finding.replay) is (convention == "saved-model-api")


@pytest.mark.parametrize("name", STRANGE)
def test_what_takes_no_images_or_returns_no_tensor_is_judged_no_further(name: str, reports: Reports) -> None:
    assert failed(reports["common-signatures"][name]) <= {*NAMELESS, "module/callable"}
    passed = {o.rule for o in reports["common-signatures"][name].outcomes if o.status == "passed"}
    assert not any(rule.startswith(("behaviour", "image-input")) for rule in passed - {"behaviour/deterministic"})
    assert "module/callable" in failed(reports["saved-model-api"][name])
    assert reports["saved-model-api"][name].verdict == "violates"


def test_a_tensor_of_any_shape_is_taken_for_images_only_where_the_callable_is_for_images(reports: Reports) -> None:
    assert failed(reports["common-signatures"]["any shape"]) == {"module/task-signature"}
    assert failed(reports["saved-model-api"]["any shape"]) == {"image-input/rank"}


def test_height_and_width_may_be_open_under_the_later_convention(reports: Reports) -> None:
    assert "image-input/image-size" in failed(reports["common-signatures"]["open sizes"])
    assert failed(reports["saved-model-api"]["open sizes"]) == set()


def test_a_signature_tells_the_task_of_the_callable(reports: Reports) -> None:
    (finding,) = [f for f in reports["saved-model-api"]["probabilities"].findings if f.rule == "classification/logits"]
    assert "softmax" in finding.message
    assert finding.where.signature is None


def test_common_signatures_do_not_count_under_the_later_convention(reports: Reports) -> None:
    assert failed(reports["saved-model-api"]["another signature"]) == {"image-input/dtype"}


def test_the_callable_is_an_error_where_it_is_the_interface(reports: Reports) -> None:
    levels = {
        convention: {f.level for f in reports[convention]["inference alone"].findings if f.rule == "module/callable"}
        for convention in CONVENTIONS
    }
    assert levels == {"common-signatures": {"warning"}, "saved-model-api": {"error"}}


def test_rules_about_signatures_do_not_apply_to_the_callable(reports: Reports) -> None:
    outcomes = {outcome.rule: outcome for outcome in reports["saved-model-api"]["plain"].outcomes}
    for rule in (*NAMELESS, "image-input/image-size"):
        assert outcomes[rule].status == "skipped"
        assert outcomes[rule].reason == "does not apply under --convention saved-model-api"
    for rule in ("image-input/dtype", "output/rank", "behaviour/batch-independence", "output/no-dropout"):
        assert outcomes[rule].status == "passed"
