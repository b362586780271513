"""What is concluded from gradients that were computed, from runs made by hand."""

from __future__ import annotations

import pytest

from hubcheck.checks import gradients
from hubcheck.probe.observations import Failure, Output, ProbeTarget, Run
from tests.checks.observed import context, faults, observations, skips

TRAINED = ProbeTarget("train", "image_feature_vector", session=True)


def differentiated(*states: str, failure: Failure | None = None) -> Run:
    outputs = {f"variable_{i}": Output(state, (3,)) for i, state in enumerate(states)}
    return Run(TRAINED, "cpu", "gradients", 5, ("black",) * 5, (32, 24), 0, outputs, failure)


@pytest.mark.parametrize("states", [("finite",), ("finite", "none"), ("none", "none", "finite")])
def test_variables_without_gradient_are_no_fault_beside_others(states):
    assert faults(gradients.computed(context(), observations(differentiated(*states)))) == []


@pytest.mark.parametrize(
    ("states", "words"),
    [
        (("none", "none"), "any of 2 variables"),
        (("finite", "not finite"), "variable_1"),
        (("not finite", "none"), "_0"),
    ],
)
def test_no_gradient_at_all_and_one_that_is_not_finite_are_warnings(states, words):
    (fault,) = faults(gradients.computed(context(), observations(differentiated(*states))))
    assert fault.level == "warning"
    assert words in fault.found


def test_gradients_that_raise_are_an_error():
    failed = differentiated(failure=Failure("gradient", "the op ResizeArea has no gradient"))
    (fault,) = faults(gradients.computed(context(), observations(failed)))
    assert fault.level is None
    assert "ResizeArea" in fault.found
    assert fault.replay == (
        "--variant",
        "train",
        "--signature",
        "image_feature_vector",
        "--session",
        "--calls",
        "gradients",
    )


def test_without_variables_the_rule_does_not_apply():
    assert skips(gradients.computed(context(), observations(differentiated()))) == ["there is no variable to train"]
