"""The picture of the way from the images to the outputs: what stands in it, and that it stays small."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from pathlib import Path

import tensorflow as tf

from hubcheck.checks.context import Context
from hubcheck.checks.faults import Node, Where
from hubcheck.engine.details import SignatureDetails
from hubcheck.engine.findings import Finding
from hubcheck.engine.module_report import ModuleReport
from hubcheck.report import diagram
from hubcheck.report.details.signatures import signature_details
from hubcheck.rulebook.contract import load_contracts
from hubcheck.rulebook.levels import Level
from hubcheck.run.options import Options
from hubcheck.run.resolved import resolve
from hubcheck.run.validate import stream
from tests.graph.graphs import graph_of, images, module_of, variant_of
from tests.paths import DATA

SVG = "{http://www.w3.org/2000/svg}"


def checked(module: Path) -> ModuleReport:
    options = Options(static=True, details=True)
    (report,) = stream([module], resolve(options))
    return report


def declared_by(report: ModuleReport) -> dict[str | None, SignatureDetails]:
    """What stands in a report, by signature or trace, of the last variant that has it."""
    assert report.details is not None
    return {declared.signature or declared.trace: declared for declared in report.details.signatures}


def declared_of(build: Callable[[tf.Tensor], Mapping[str, tf.Tensor]], *findings: Finding) -> SignatureDetails:
    names: dict[str, str] = {}

    def make() -> None:
        names.update({key: tensor.name for key, tensor in build(images()).items()})

    graph = graph_of(make)
    (declared,) = signature_details(Context(module_of(variant_of(graph, names)), load_contracts()), findings)
    return declared


def drawn(declared: SignatureDetails, *findings: Finding) -> ET.Element:
    return ET.fromstring(diagram.diagram(declared, findings, name="p"))


def texts(svg: ET.Element, kind: str | None = None) -> list[str]:
    return [element.text or "" for element in svg.iter("text") if kind in (None, element.get("class"))]


def boxes(svg: ET.Element) -> list[str]:
    return [str(element.get("class")) for element in svg.iter("rect")]


def found(name: str, op: str, level: Level = "error") -> Finding:
    where = Where("serve", None, "image_feature_vector", "outputs", "default", Node(name, op))
    return Finding("some/rule", level, where, f"something is wrong with {name}", "", "", "", "")


def test_a_faulty_node_is_marked_where_it_stands() -> None:
    report = checked(DATA / "c_dropout_on_features_train")
    svg = drawn(declared_by(report)["image_feature_vector"], *report.findings)
    names = texts(svg, "name")
    assert names.index("conv1/Conv2D") < names.index("Mean") < names.index("SelectV2")
    assert texts(svg, "bad")[0].startswith("! output/no-dropout: dropout applies dropout")
    assert boxes(svg).count("bad") == 2  # the node, and the output that it spoils
    description = svg.findtext("desc") or ""
    assert "SelectV2: ! output/no-dropout" in description


def test_nothing_is_marked_on_a_good_module() -> None:
    report = checked(DATA / "a_good_feature_vector")
    for declared in declared_by(report).values():
        svg = drawn(declared, *report.findings)
        assert set(boxes(svg)) == {"box"}
        assert (svg.findtext("desc") or "").endswith("Nothing was found on the way.")


def test_a_trace_is_drawn_if_something_was_found_in_it(fixture_module: Callable[[str], Path]) -> None:
    report = checked(fixture_module("output/no-dropout/bad_keras"))
    found = declared_by(report)
    assert {"image_feature_vector", "serving_default", "training=True"} == set(found)
    assert "bad" in boxes(drawn(found["training=True"], *report.findings))
    assert "bad" not in boxes(drawn(found["image_feature_vector"], *report.findings))


def test_what_was_set_aside_is_marked_as_such() -> None:
    finding = found("bend", "Relu")
    declared = declared_of(lambda x: {"default": tf.reduce_mean(tf.nn.relu(x, name="bend"), [1, 2])}, finding)
    svg = drawn(declared)
    assert texts(svg, "dim") == ["set aside: some/rule: something is wrong with bend"]
    assert "bad" not in boxes(svg)


def test_a_warning_is_no_error() -> None:
    finding = found("bend", "Relu", "warning")
    declared = declared_of(lambda x: {"default": tf.nn.relu(x, name="bend")}, finding)
    assert {"warn"} <= set(boxes(drawn(declared, finding))) <= {"warn", "box"}


def test_what_was_found_beside_the_way_is_told() -> None:
    def net(x: tf.Tensor) -> Mapping[str, tf.Tensor]:
        return {"default": x + tf.random.normal([3], name="noise")}

    finding = found("noise/RandomStandardNormal", "RandomStandardNormal")
    svg = drawn(declared_of(net, finding), finding)
    assert "noise/RandomStandardNormal" in texts(svg, "name")
    assert "(beside the way)" in texts(svg, "quiet")


def test_an_output_that_is_not_made_of_the_images_hangs_in_the_air() -> None:
    svg = drawn(declared_of(lambda x: {"default": tf.nn.relu(x), "Net/step": tf.constant(1.0)}))
    names = texts(svg)
    assert names.index("not made of the images") < names.index("Net/step  float32 of unknown rank")


def test_parallel_branches_are_not_drawn_as_if_one_fed_the_other() -> None:
    def net(x: tf.Tensor) -> Mapping[str, tf.Tensor]:
        left, right = tf.nn.relu(x, name="left"), tf.nn.elu(x, name="right")
        return {"default": tf.add(left, right, name="join")}

    steps = declared_of(net).steps
    assert [(step.name, step.sources) for step in steps] == [
        ("images", ()),
        ("left", (0,)),
        ("right", (0,)),
        ("join", (1, 2)),
    ]


def test_thousands_of_outputs_make_no_picture_of_thousands_of_rows() -> None:
    def net(x: tf.Tensor) -> Mapping[str, tf.Tensor]:
        outputs = {}
        for i in range(1500):
            x = tf.nn.relu(x)
            outputs[f"Net/{i}"] = x
        return {**outputs, "default": x}

    declared = declared_of(net)
    assert len(declared.outputs) == 51
    assert len(declared.steps) == 201
    assert declared.steps[-1].outputs == ("Net/1499", "default")
    assert all(0 <= source < 201 for step in declared.steps for source in step.sources)
    assert len(diagram.diagram(declared, [], name="p")) < 100_000


def test_a_name_that_is_markup_is_text() -> None:
    declared = SignatureDetails("serve", "<b>", None, (("images", "<i>"),), (("default", "&"),))
    svg = drawn(declared)
    assert {"<b>", "<i>", "default  &"} <= set(texts(svg))
