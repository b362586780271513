"""The graph from images to outputs: what is in it, and that its size is bounded."""

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
from hubcheck.report.page.graph import Graph, graphs
from hubcheck.report.page.templates import environment
from hubcheck.rulebook.contract import load_contracts
from hubcheck.rulebook.levels import Level
from hubcheck.run.options import Options
from hubcheck.run.resolved import resolve
from hubcheck.run.validate import stream
from tests.graph.graphs import graph_of, images, module_of, variant_of
from tests.paths import DATA


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


def graph_of_one(signature: SignatureDetails, *findings: Finding) -> Graph:
    (graph,) = graphs([signature], findings)
    return graph


def draw(signature: SignatureDetails, *findings: Finding) -> ET.Element:
    return ET.fromstring(markup(signature, *findings).replace("<wbr>", ""))


def markup(signature: SignatureDetails, *findings: Finding) -> str:
    return environment().get_template("graph.html.j2").render(graph=graph_of_one(signature, *findings))


def texts(drawn: ET.Element, path: str) -> list[str]:
    return [element.text or "" for element in drawn.findall(f".//{path}")]


def names(drawn: ET.Element) -> list[str]:
    return texts(drawn, "b")


def boxes(drawn: ET.Element) -> list[str]:
    """The styles of the rows, and of the outputs at them."""
    return [(row.get("class") or "box").split()[0] for row in drawn.iter("li")]


def found(name: str, op: str, level: Level = "error") -> Finding:
    where = Where("serve", None, "image_feature_vector", "outputs", "default", Node(name, op))
    return Finding("some/rule", level, where, f"something is wrong with {name}", "", "", "", "")


def test_a_faulty_node_has_its_finding() -> None:
    report = checked(DATA / "c_dropout_on_features_train")
    signature = signatures_of(report)["image_feature_vector"]
    drawn = draw(signature, *report.findings)
    steps = names(drawn)
    assert steps.index("images") < steps.index("conv1/Conv2D") < steps.index("Mean") < steps.index("SelectV2")
    assert texts(drawn, "p")[0].startswith("! output/no-dropout: dropout is applied")
    assert boxes(drawn).count("bad") == 2  # the node, and the output that it spoils
    assert graph_of_one(signature, *report.findings).has_findings


def test_a_good_module_has_no_notes() -> None:
    report = checked(DATA / "a_good_feature_vector")
    for signature in signatures_of(report).values():
        assert set(boxes(draw(signature, *report.findings))) == {"box"}
        assert not graph_of_one(signature, *report.findings).has_findings


def test_signatures_with_the_same_graph_share_it() -> None:
    report = checked(DATA / "b_good_classification")
    assert report.details is not None
    assert [list(graph.names) for graph in graphs(report.details.signatures, report.findings)] == [
        [
            "image_classification",
            "image_classification of variant train",
            "default",
            "default of variant train",
        ],
        ["image_feature_vector", "image_feature_vector of variant train"],
    ]


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
    drawn = draw(signature)
    assert texts(drawn, "p[@class='dim']") == ["suppressed: some/rule: something is wrong with bend"]
    assert "bad" not in boxes(drawn)


def test_a_warning_is_not_drawn_as_an_error() -> None:
    finding = found("bend", "Relu", "warning")
    signature = details_of(lambda x: {"default": tf.nn.relu(x, name="bend")}, finding)
    assert {"warn"} <= set(boxes(draw(signature, finding))) <= {"warn", "box"}


def test_a_finding_on_a_node_off_the_data_path_has_a_row() -> None:
    def net(x: tf.Tensor) -> Mapping[str, tf.Tensor]:
        return {"default": x + tf.random.normal([3], name="noise")}

    finding = found("noise/RandomStandardNormal", "RandomStandardNormal")
    drawn = draw(details_of(net, finding), finding)
    assert "noise/RandomStandardNormal" in names(drawn)
    assert "(not on the data path)" in texts(drawn, "span")


def test_an_output_that_is_not_computed_from_the_images_is_unconnected() -> None:
    drawn = draw(details_of(lambda x: {"default": tf.nn.relu(x), "Net/step": tf.constant(1.0)}))
    (row,) = [row for row in drawn.findall("li") if row.get("class", "").startswith("unconnected")]
    assert names(row) == ["not computed from the images"]
    assert texts(row, "li") == ["Net/step  float32 of unknown rank"]


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
    rows = {row.row.name: row for row in graph_of_one(details_of(net)).rows}
    assert rows["left"].from_above and rows["join"].from_above
    assert not rows["right"].from_above
    assert [part.kind for part in rows["images"].lanes] == ["leave"]
    assert {(part.kind, part.lane) for part in rows["right"].lanes} == {("take", 0), ("pass", 1)}
    assert [(part.kind, part.lane) for part in rows["join"].lanes] == [("take", 1)]


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
    assert len(markup(signature)) < 100_000


def test_names_with_markup_are_text() -> None:
    signature = SignatureDetails("serve", "<b>", None, (("images", "<i>"),), (("default", "&"),))
    drawn = draw(signature)
    assert names(drawn) == ["images", "<b>"]
    assert texts(drawn, "li/div/span") == ["<i>"]
    assert texts(drawn, "li/div/ul/li") == ["default  &"]
