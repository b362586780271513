"""A payload is found whatever else is wrong with its module, and whatever is said of the other faults.

Published attacks break a module on purpose in a place that does not matter, so that checks of the rest give up.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

import hubcheck
from hubcheck.config.baseline import KnownFinding, write_baseline
from hubcheck.engine.identity import fingerprints
from hubcheck.module.limits import LIMITS, ReadLimits
from tests.checks.hostile import Honest, in_signature, save, unreached
from tests.paths import DATA

Proto = saved_model_pb2.SavedModel


def _read_file() -> tf.Tensor:
    return tf.io.read_file("/etc/hostname")


def _edit(path: Path, change: Callable[[Proto], None]) -> None:
    file = path / "saved_model.pb"
    proto = Proto.FromString(file.read_bytes())
    change(proto)
    file.write_bytes(proto.SerializeToString())


def _wrong_dtype(path: Path) -> None:
    def change(proto: Proto) -> None:
        signatures = proto.meta_graphs[0].signature_def
        signatures["extra"].CopyFrom(signatures["serving_default"])
        signatures["extra"].inputs["images"].dtype = tf.int64.as_datatype_enum

    _edit(path, change)


def _no_such_tensor(path: Path) -> None:
    def change(proto: Proto) -> None:
        proto.meta_graphs[0].signature_def["serving_default"].outputs["default"].name = "gone:0"

    _edit(path, change)


def _missing_shard(path: Path) -> None:
    (path / "variables" / "variables.data-00000-of-00001").unlink()


def _no_variables(path: Path) -> None:
    shutil.rmtree(path / "variables")


def _damaged_index(path: Path) -> None:
    (path / "variables" / "variables.index").write_bytes(b"garbage")


def _unknown_schema_version(path: Path) -> None:
    _edit(path, lambda proto: setattr(proto, "saved_model_schema_version", 9))


def _marker_of_another_format(path: Path) -> None:
    (path / "tfhub_module.pb").write_bytes(b"\x08\x07")


def _marker_that_is_garbage(path: Path) -> None:
    (path / "tfhub_module.pb").write_bytes(b"\xff\xff\xff")


def _unreadable_sibling(path: Path) -> None:
    """A second variant needs a TensorFlow that does not exist, and names tensors that do not."""

    def change(proto: Proto) -> None:
        sibling = proto.meta_graphs.add()
        sibling.meta_info_def.tags.append("train")
        sibling.graph_def.versions.min_consumer = 1_000_000
        sibling.graph_def.node.add(name="a", op="StatefulPartitionedCall", input=["nowhere:7", "a", "^b"])
        sibling.signature_def["serving_default"].outputs["default"].name = "b:0"

    _edit(path, change)


def _unreadable_sibling_first(path: Path) -> None:
    _unreadable_sibling(path)

    def change(proto: Proto) -> None:
        graphs = list(proto.meta_graphs)
        del proto.meta_graphs[:]
        proto.meta_graphs.extend(reversed(graphs))

    _edit(path, change)


def _harmless_sibling_with_the_same_tags(path: Path) -> None:
    clean = save(Honest(), path.with_name("clean"))

    def change(proto: Proto) -> None:
        harmful = list(proto.meta_graphs)
        del proto.meta_graphs[:]
        proto.meta_graphs.extend([*Proto.FromString((clean / "saved_model.pb").read_bytes()).meta_graphs, *harmful])

    _edit(path, change)


def _too_many_traces(path: Path) -> None:
    def change(proto: Proto) -> None:
        graph = proto.meta_graphs[0].object_graph_def
        call = graph.nodes.add()
        call.function.concrete_functions.extend(["gone"] * (LIMITS.limit("traces").value + 1))
        graph.nodes[0].children.add(node_id=len(graph.nodes) - 1, local_name="__call__")

    _edit(path, change)


def _too_many_files(path: Path) -> None:
    for number in range(20):
        (path / f"{number}.txt").write_text("")


FAULTS = {
    fault.__name__.strip("_"): fault
    for fault in (
        _wrong_dtype,
        _no_such_tensor,
        _missing_shard,
        _no_variables,
        _damaged_index,
        _unknown_schema_version,
        _marker_of_another_format,
        _marker_that_is_garbage,
        _unreadable_sibling,
        _unreadable_sibling_first,
        _too_many_traces,
        _too_many_files,
    )
}
READABLE = 'rules = ["module/readable"]\nreason = "an exporter that we cannot change"\n'
WAYS = {
    "nothing else": ({}, ""),
    "--select safety": ({"select": ["safety"]}, ""),
    "--select safety/file-access": ({"select": ["safety/file-access"]}, ""),
    "--ignore": ({"ignore": ["module/readable"]}, ""),
    "[[ignore]]": ({}, f"[[ignore]]\n{READABLE}"),
    "[[xfail]]": ({}, f"[[xfail]]\n{READABLE}"),
    "[[select]]": ({}, '[[select]]\nrules = ["safety"]\nreason = "the rest is not ours"\n'),
    "[levels]": ({}, '[levels]\n"module/readable" = "note"\n'),
    "baseline": ({}, 'baseline = "known.json"\n'),
}
LIMITED = ReadLimits(files=20)


@pytest.fixture(scope="module", params=["in a signature", "in a function that no signature calls"])
def harmful(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A module that reads a file of the host, and is complete."""
    place = in_signature if request.param == "in a signature" else unreached
    return place(tmp_path_factory.mktemp("harmful") / "m", _read_file)


def _judged(module: Path, way: str) -> hubcheck.ModuleReport:
    """The static report; a baseline knows everything but the findings of safety."""
    options, configuration = WAYS[way]
    folder = module.parent
    if way == "baseline":
        (before,) = hubcheck.validate(module, static=True, limits=LIMITED).modules
        names = fingerprints(before, "m")
        findings = [finding for finding in before.findings if not finding.rule.startswith("safety/")]
        known = [KnownFinding("m", finding.rule, names[finding], finding.message) for finding in findings]
        write_baseline(folder / "known.json", known)
    (folder / "hubcheck.toml").write_text(configuration, encoding="utf-8")
    report = hubcheck.validate(module, static=True, limits=LIMITED, config=folder / "hubcheck.toml", **options)
    (judged,) = report.modules
    assert [outcome.reason for outcome in judged.outcomes if outcome.status == "broken"] == []
    assert report.exit_code == 1
    return judged


def _outcomes(report: hubcheck.ModuleReport) -> Mapping[str, str]:
    return {outcome.rule: outcome.status for outcome in report.outcomes}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_payload_is_found_behind_a_fault(fault: str, way: str, harmful: Path, tmp_path: Path) -> None:
    module = Path(shutil.copytree(harmful, tmp_path / "m"))
    FAULTS[fault](module)
    report = _judged(module, way)
    assert report.verdict == "violates"
    assert "safety/file-access" in {finding.rule for finding in report.findings}
    if way == "nothing else":
        assert _outcomes(report)["module/readable"] == "failed"


def test_a_payload_is_found_in_either_of_two_variants_with_the_same_tags(tmp_path: Path) -> None:
    module = in_signature(tmp_path / "m", _read_file)
    _harmless_sibling_with_the_same_tags(module)
    report = _judged(module, "--select safety")
    assert {finding.rule for finding in report.findings} == {"safety/file-access"}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_same_fault_alone_makes_no_finding_of_safety(fault: str, tmp_path: Path) -> None:
    module = save(Honest(), tmp_path / "m")
    FAULTS[fault](module)
    (report,) = hubcheck.validate(module, static=True, limits=LIMITED).modules
    assert {finding.rule for finding in report.findings if finding.level == "error"} == {"module/readable"}
    assert {status for rule, status in _outcomes(report).items() if rule.startswith("safety/")} == {"passed"}


@pytest.mark.parametrize("way", WAYS)
def test_the_sample_of_an_attack_is_found_too(way: str, tmp_path: Path) -> None:
    module = Path(shutil.copytree(DATA / "cases" / "unsafe_behind_unreadable", tmp_path / "m"))
    report = _judged(module, way)
    assert "safety/file-access" in {finding.rule for finding in report.findings}


@pytest.mark.parametrize(("way", "verdict"), [("--select safety", "incomplete"), ("--ignore", "incomplete")])
def test_a_graph_that_cannot_be_parsed_leaves_safety_open(way: str, verdict: str, tmp_path: Path) -> None:
    module = save(Honest(), tmp_path / "m")
    (module / "saved_model.pb").write_bytes(b"\xff" * 100)
    report = hubcheck.validate(module, static=True, **WAYS[way][0])
    (judged,) = report.modules
    assert (judged.verdict, report.exit_code) == (verdict, 3)
    safety = {rule: status for rule, status in _outcomes(judged).items() if rule.startswith("safety/")}
    assert set(safety.values()) == {"skipped"}
    assert set(safety) <= {rule for row in judged.unchecked if row.need == "module/readable" for rule in row.rules}
