"""The diagram of a signature's data path: what is in it, and that its size is bounded."""

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
from hubcheck.report.details import module_details
from hubcheck.report.diagram import diagram
from hubcheck.report.html import environment
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


def signatures_of(report: ModuleReport) -> dict[str | None, SignatureDetails]:
    """The signatures of a report, by key or trace, of the last variant that has it."""
    assert report.details is not None
    return {one.signature or one.trace: one for one in report.details.signatures}


def details_of(build: Callable[[tf.Tensor], Mapping[str, tf.Tensor]], *findings: Finding) -> SignatureDetails:
    names: dict[str, str] = {}

    def make() -> None:
        names.update({key: tensor.name for key, tensor in build(images()).items()})

    graph = graph_of(make)
    context = Context(module_of(variant_of(graph, names)), load_contracts())
    (signature,) = module_details(context, findings, None).signatures
    return signature


def draw(signature: SignatureDetails, *findings: Finding) -> ET.Element:
    return ET.fromstring(svg_text(signature, *findings))


def svg_text(signature: SignatureDetails, *findings: Finding) -> str:
    return environment().get_template("diagram.svg.j2").render(drawing=diagram(signature, findings), id="d")


def texts(svg: ET.Element, kind: str | None = None) -> list[str]:
    return [element.text or "" for element in svg.iter("text") if kind in (None, element.get("class"))]


def boxes(svg: ET.Element) -> list[str]:
    return [str(element.get("class")) for element in svg.iter("rect")]


def found(name: str, op: str, level: Level = "error") -> Finding:
    where = Where("serve", None, "image_feature_vector", "outputs", "default", Node(name, op))
    return Finding("some/rule", level, where, f"something is wrong with {name}", "", "", "", "")


def test_a_faulty_node_has_its_finding() -> None:
    report = checked(DATA / "c_dropout_on_features_train")
    svg = draw(signatures_of(report)["image_feature_vector"], *report.findings)
    names = texts(svg, "name")
    assert names.index("conv1/Conv2D") < names.index("Mean") < names.index("SelectV2")
    assert texts(svg, "bad")[0].startswith("! output/no-dropout: dropout applies dropout")
    assert boxes(svg).count("bad") == 2  # the node, and the output that it spoils
    description = svg.findtext("desc") or ""
    assert "SelectV2: ! output/no-dropout" in description


def test_a_good_module_has_no_notes() -> None:
    report = checked(DATA / "a_good_feature_vector")
    for signature in signatures_of(report).values():
        svg = draw(signature, *report.findings)
        assert set(boxes(svg)) == {"box"}
        assert (svg.findtext("desc") or "").endswith("No findings on the data path.")


def test_a_trace_with_findings_has_a_diagram(fixture_module: Callable[[str], Path]) -> None:
    report = checked(fixture_module("output/no-dropout/bad_keras"))
    found = signatures_of(report)
    assert {"image_feature_vector", "serving_default", "training=True"} == set(found)
    assert "bad" in boxes(draw(found["training=True"], *report.findings))
    assert "bad" not in boxes(draw(found["image_feature_vector"], *report.findings))


def test_a_finding_of_one_variant_is_not_shown_in_another() -> None:
    report = checked(DATA / "c_dropout_on_features_train")
    assert report.details is not None
    bad = {d.variant for d in report.details.signatures if "bad" in boxes(draw(d, *report.findings))}
    assert bad == {"train"}


def test_a_suppressed_finding_is_marked_as_such() -> None:
    finding = found("bend", "Relu")
    signature = details_of(lambda x: {"default": tf.reduce_mean(tf.nn.relu(x, name="bend"), [1, 2])}, finding)
    svg = draw(signature)
    assert texts(svg, "dim") == ["suppressed: some/rule: something is wrong with bend"]
    assert "bad" not in boxes(svg)


def test_a_warning_is_not_drawn_as_an_error() -> None:
    finding = found("bend", "Relu", "warning")
    signature = details_of(lambda x: {"default": tf.nn.relu(x, name="bend")}, finding)
    assert {"warn"} <= set(boxes(draw(signature, finding))) <= {"warn", "box"}


def test_a_finding_on_a_node_off_the_data_path_has_a_row() -> None:
    def net(x: tf.Tensor) -> Mapping[str, tf.Tensor]:
        return {"default": x + tf.random.normal([3], name="noise")}

    finding = found("noise/RandomStandardNormal", "RandomStandardNormal")
    svg = draw(details_of(net, finding), finding)
    assert "noise/RandomStandardNormal" in texts(svg, "name")
    assert "(not on the data path)" in texts(svg, "quiet")


def test_an_output_that_is_not_computed_from_the_images_is_unconnected() -> None:
    svg = draw(details_of(lambda x: {"default": tf.nn.relu(x), "Net/step": tf.constant(1.0)}))
    names = texts(svg)
    assert names.index("not computed from the images") < names.index("Net/step  float32 of unknown rank")


def test_parallel_branches_are_not_drawn_as_if_one_fed_the_other() -> None:
    def net(x: tf.Tensor) -> Mapping[str, tf.Tensor]:
        left, right = tf.nn.relu(x, name="left"), tf.nn.elu(x, name="right")
        return {"default": tf.add(left, right, name="join")}

    steps = details_of(net).steps
    assert [(step.name, step.sources) for step in steps] == [
        ("images", ()),
        ("left", (0,)),
        ("right", (0,)),
        ("join", (1, 2)),
    ]


def test_a_diagram_of_thousands_of_outputs_is_bounded() -> None:
    def net(x: tf.Tensor) -> Mapping[str, tf.Tensor]:
        outputs = {}
        for i in range(1500):
            x = tf.nn.relu(x)
            outputs[f"Net/{i}"] = x
        return {**outputs, "default": x}

    signature = details_of(net)
    assert len(signature.outputs) == 51
    assert len(signature.steps) == 201
    assert signature.steps[-1].outputs == ("Net/1499", "default")
    assert all(0 <= source < 201 for step in signature.steps for source in step.sources)
    assert len(svg_text(signature)) < 100_000


def test_names_with_markup_are_text() -> None:
    signature = SignatureDetails("serve", "<b>", None, (("images", "<i>"),), (("default", "&"),))
    svg = draw(signature)
    assert {"<b>", "<i>", "default  &"} <= set(texts(svg))
