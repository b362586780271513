"""One fault is reported once, wherever else it shows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hubcheck.checks.faults import Checked, Fault, Node, Skip, Where
from hubcheck.checks.grouping import MAX_FAULTS, distinct
from hubcheck.module.reader import read
from tests.paths import DATA

MODULE = read(DATA / "a_good_feature_vector")
TASK = Where("", signature="image_feature_vector")
DEFAULT = Where("", signature="default")


def faults(*items: Fault) -> list[Fault]:
    return [item for item in distinct(items, MODULE) if isinstance(item, Fault)]


def test_other_items_are_kept():
    items = [Checked(), Skip("nothing"), Fault(TASK)]
    assert sorted(distinct(items, MODULE), key=repr) == sorted(items, key=repr)


def test_variants_that_share_a_fault_have_one_finding_and_that_is_of_inference():
    training, inference = Fault(Where("train", signature="default"), "1"), Fault(DEFAULT, "1")
    assert faults(training, inference, Fault(DEFAULT, "2")) == [inference, Fault(DEFAULT, "2")]


def test_faults_of_one_group_are_one_and_the_most_severe_is_kept():
    lesser, worst = Fault(TASK, "1", level="warning", group="g"), Fault(DEFAULT, "2", group="g")
    assert faults(lesser, worst, Fault(TASK, "3", group="h")) == [worst, Fault(TASK, "3", group="h")]


@pytest.mark.parametrize("name", ["node", "other"])
def test_a_finding_names_the_other_signatures_that_its_node_is_in(name):
    first = Fault(replace(TASK, node=Node("node", "Mul")), "Mul", group="g")
    again = Fault(replace(DEFAULT, node=Node(name, "Mul")), "Mul", group="g")
    (fault,) = faults(first, again, first)
    assert fault.found == ("Mul (also in default)" if name == "node" else "Mul")


def test_a_fault_of_an_input_is_one_in_all_signatures():
    inputs, outputs = (
        [Fault(replace(place, side=side, key="k"), "float16") for place in (TASK, DEFAULT)]
        for side in ("inputs", "outputs")
    )
    assert faults(*inputs) == [replace(inputs[0], found="float16 (also in default)")]
    assert faults(*outputs) == outputs
    assert len(faults(inputs[0], replace(inputs[1], found="int32"))) == 2


def test_secondary_faults_are_reported_only_if_there_is_no_other():
    first, second = Fault(TASK, "1", secondary=True), Fault(DEFAULT, "2", secondary=True)
    assert faults(first, second) == [first, second]
    assert faults(first, Fault(TASK, "3"), second) == [Fault(TASK, "3")]


def test_a_rule_has_a_limited_number_of_findings():
    found = faults(*(Fault(TASK, str(number)) for number in range(1000)))
    assert len(found) == MAX_FAULTS + 1
    assert f"more than {MAX_FAULTS} findings" in (found[-1].message or "")
