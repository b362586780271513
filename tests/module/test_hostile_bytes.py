"""Damaged and hostile files: each is one clear finding or exit code 2, never a traceback, and nothing is written."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import hubcheck
from hubcheck.engine.module_report import ModuleReport
from hubcheck.module.proto import message_class
from tests.paths import DATA

pytestmark = pytest.mark.slow

LFS_POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22e\nsize 52310\n"

Damage = Callable[[Path], object]


def edited(change: Callable[[Any], object]) -> Damage:
    """Damage that edits the SavedModel as a message."""

    def damage(module: Path) -> None:
        file = module / "saved_model.pb"
        message = message_class("SavedModel").FromString(file.read_bytes())
        change(message)
        file.write_bytes(message.SerializeToString())

    return damage


def replaced(name: str, content: bytes | str) -> Damage:
    """Damage that puts other bytes into a file."""
    return lambda module: (module / name).write_bytes(content.encode() if isinstance(content, str) else content)


def lying(side: str, key: str, lie: Callable[[Any], object]) -> Damage:
    """Damage that makes a signature, in both variants, declare something false about a tensor."""

    def change(message: Any) -> None:
        for variant in message.meta_graphs:
            lie(getattr(variant.signature_def["image_feature_vector"], side)[key])

    return edited(change)


def output_named(name: str) -> Damage:
    """Damage that makes a signature's output name another tensor."""
    return lying("outputs", "default", lambda info: setattr(info, "name", name))


def cut_in_half(name: str) -> Damage:
    return lambda module: os.truncate(module / name, (module / name).stat().st_size // 2)


def in_place_of(name: str, make: Damage) -> Damage:
    def damage(module: Path) -> None:
        (module / name).unlink()
        make(module / name)

    return damage


def linked_to(target: str) -> Damage:
    return lambda path: path.symlink_to(target)


def same_tags(message: Any) -> None:
    for variant in message.meta_graphs:
        del variant.meta_info_def.tags[:]


def from_the_future(message: Any) -> None:
    for variant in message.meta_graphs:
        variant.graph_def.versions.min_consumer = 999_999


def unknown_attachment(message: Any) -> None:
    message.meta_graphs[0].collection_def["hub_module_attachments"].bytes_list.value[0] = b"\xff\xff\xff"


SHARD = "variables/variables.data-00000-of-00001"
INDEX = "variables/variables.index"

UNREADABLE: dict[str, tuple[Damage, str]] = {
    "empty": (replaced("saved_model.pb", b""), "saved_model.pb is empty"),
    "blanks": (replaced("saved_model.pb", b"\n\n"), "saved_model.pb is empty"),
    "half": (cut_in_half("saved_model.pb"), "saved_model.pb is not a SavedModel"),
    "text": (replaced("saved_model.pb", "<!doctype html><title>404</title>"), "saved_model.pb is not a SavedModel"),
    "zeros": (replaced("saved_model.pb", bytes(4096)), "saved_model.pb is not a SavedModel"),
    "no MetaGraph": (replaced("saved_model.pb", b"\x08\x01"), "holds no MetaGraph"),
    "git-LFS": (replaced("saved_model.pb", LFS_POINTER), "saved_model.pb is a git-LFS pointer"),
    "schema version": (edited(lambda m: setattr(m, "saved_model_schema_version", 7)), "schema version 7"),
    "a folder": (in_place_of("saved_model.pb", Path.mkdir), "saved_model.pb cannot be read"),
    "a dead link": (in_place_of("saved_model.pb", linked_to("nowhere.pb")), "saved_model.pb cannot be read"),
    "a link to itself": (in_place_of("saved_model.pb", linked_to("saved_model.pb")), "saved_model.pb cannot be read"),
    "a pipe": (in_place_of("saved_model.pb", os.mkfifo), "saved_model.pb cannot be read"),
    "huge": (lambda module: os.truncate(module / "saved_model.pb", 1 << 40), "saved_model.pb cannot be read"),
    "marker garbage": (replaced("tfhub_module.pb", b"\xff\xff"), "tfhub_module.pb is not a ModuleDef"),
    "marker text": (replaced("tfhub_module.pb", "3"), "tfhub_module.pb is not a ModuleDef"),
    "marker empty": (replaced("tfhub_module.pb", b""), "tfhub_module.pb declares format 0"),
    "marker git-LFS": (replaced("tfhub_module.pb", LFS_POINTER), "tfhub_module.pb is a git-LFS pointer"),
    "marker format 2": (replaced("tfhub_module.pb", b"\x08\x02"), "tfhub_module.pb declares format 2"),
    "marker features": (
        replaced("tfhub_module.pb", b"\x08\x03\x12\x04warp"),
        "requires features that no reader supports: warp",
    ),
    "marker alone": (lambda module: (module / "saved_model.pb").unlink(), "saved_model.pb is missing"),
    "chunked": (lambda m: (m / "saved_model.pb").rename(m / "saved_model.cpb"), "saved_model.cpb only"),
    "same tags": (edited(same_tags), "two MetaGraphs have the empty tag set"),
    "attachment": (edited(unknown_attachment), "not a ModuleAttachment"),
    "no variables": (lambda module: shutil.rmtree(module / "variables"), "the folder variables/ is missing"),
    "no index": (lambda module: (module / INDEX).unlink(), "variables/variables.index is missing"),
    "no shard": (lambda module: (module / SHARD).unlink(), "variables.data-00000-of-00001 is missing"),
    "half a shard": (cut_in_half(SHARD), "variables.data-00000-of-00001 is too short"),
    "shard git-LFS": (replaced(SHARD, LFS_POINTER), "variables.data-00000-of-00001 is too short"),
    "index git-LFS": (replaced(INDEX, LFS_POINTER), "variables.index is a git-LFS pointer"),
    "index empty": (replaced(INDEX, b""), "variables.index is damaged"),
    "index zeros": (replaced(INDEX, bytes(479)), "variables.index is damaged"),
    "half an index": (cut_in_half(INDEX), "variables.index is damaged"),
    "huge index": (lambda module: os.truncate(module / INDEX, 1 << 40), "variables.index cannot be read"),
    "index a pipe": (in_place_of(INDEX, os.mkfifo), "variables.index cannot be read"),
    "dangling output": (output_named("no/such/node:0"), "a tensor that is not in the graph"),
    "no such port": (output_named("Mean:7"), "an output that its node does not have"),
    "no name": (output_named(""), "a tensor that is not in the graph"),
    "absurd port": (output_named("Mean:" + "9" * 40), "an output that its node does not have"),
    "negative port": (output_named("Mean:-1"), "an output that its node does not have"),
    "two colons": (output_named("Mean:0:0"), "an output that its node does not have"),
    "control input": (output_named("^Mean"), "a tensor that is not in the graph"),
    "control characters": (output_named("Mean\x00\x1b[31m"), "a tensor that is not in the graph"),
    "long name": (output_named("x" * 100_000), "a tensor that is not in the graph"),
    "dtype": (lying("outputs", "default", lambda info: setattr(info, "dtype", 2)), "the signature declares float64"),
    "absurd dtype": (lying("inputs", "images", lambda info: setattr(info, "dtype", 4242)), "the signature declares"),
    "shape": (
        lying("inputs", "images", lambda info: setattr(info.tensor_shape.dim[1], "size", 99)),
        "the signature declares shape",
    ),
    "future": (edited(from_the_future), "a version of TensorFlow that does not exist yet"),
}
"""The damage to a good module, and a part of the expected message."""


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, ModuleReport]:
    folder = tmp_path_factory.mktemp("unreadable")
    for name, (damage, _) in UNREADABLE.items():
        shutil.copytree(DATA / "a_good_feature_vector", folder / name)
        damage(folder / name)
    before = state(folder)
    report = hubcheck.validate([folder / name for name in UNREADABLE])
    assert state(folder) == before
    return dict(zip(UNREADABLE, report.modules, strict=True))


def state(folder: Path) -> dict[str, tuple[int, int]]:
    """Return everything below a folder, with sizes and modification times."""
    found = {}
    for file in sorted(folder.rglob("*")):
        info = file.lstat()
        found[str(file)] = (info.st_size, info.st_mtime_ns)
    return found


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_damaged_file_is_one_clear_finding(name: str, reports: Mapping[str, ModuleReport]) -> None:
    report = reports[name]
    assert [outcome.reason for outcome in report.outcomes if outcome.status == "broken"] == []
    assert [finding.rule for finding in report.findings] == ["module/readable"], report.findings
    finding = report.findings[0]
    assert UNREADABLE[name][1] in finding.message
    assert finding.fix
    assert max(len(finding.message), len(finding.found)) <= 600
    assert (finding.message + finding.found).isprintable()
    assert report.verdict == "violates"


def fancy_op(message: Any) -> None:
    for variant in message.meta_graphs:
        next(node for node in variant.graph_def.node if node.name == "Relu").op = "FancyRelu"


def hostile_key(message: Any) -> None:
    for variant in message.meta_graphs:
        outputs = variant.signature_def["image_feature_vector"].outputs
        outputs["\x1b[2Jgone\n"].CopyFrom(outputs["default"])


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DATA / "a_good_feature_vector", tmp_path / "module"))


def rules_found(report: hubcheck.Report) -> list[str]:
    assert report.exit_code in (0, 1), [o for module in report.modules for o in module.outcomes if o.status == "broken"]
    return [finding.rule for finding in report.findings]


def test_an_op_that_tensorflow_lacks_is_not_reported_as_corruption(good: Path) -> None:
    edited(fancy_op)(good)
    assert rules_found(hubcheck.validate(good)) == ["safety/custom-ops"]


def test_damaged_weights_of_an_object_are_one_finding(fixture_module: Callable[[str], Path], tmp_path: Path) -> None:
    module = Path(shutil.copytree(fixture_module("image-input/batch-size/good"), tmp_path / "module"))
    (module / SHARD).write_bytes(bytes((module / SHARD).stat().st_size))
    (finding,) = hubcheck.validate(module).findings
    assert finding.rule == "module/readable"
    assert "variables/ is damaged" in finding.message


def test_names_cannot_control_the_terminal(good: Path) -> None:
    edited(hostile_key)(good)
    report = hubcheck.validate(good, static=True)
    assert rules_found(report) == ["output/key-prefix"]
    assert "\x1b" not in str(report.findings)
    assert r"\x1b[2Jgone\n" in report.findings[0].message
    shown = subprocess.run([sys.executable, "-m", "hubcheck", "show", str(good)], capture_output=True, check=True)
    assert rb"\x1b[2Jgone\n" in shown.stdout
    assert b"\x1b" not in shown.stdout


def test_a_signature_may_omit_the_port(good: Path) -> None:
    output_named("Mean")(good)
    assert rules_found(hubcheck.validate(good, static=True)) == []


def test_the_same_module_as_text_gets_the_same_verdict(good: Path) -> None:
    as_text(good)
    (good / "saved_model.pb").unlink()
    assert rules_found(hubcheck.validate(good)) == []


def test_the_binary_form_wins_over_the_text(good: Path) -> None:
    as_text(good)
    output_named("no/such/node:0")(good)
    assert rules_found(hubcheck.validate(good, static=True)) == ["module/readable"]


@pytest.mark.parametrize("text", ["", "meta_graphs {", "meta_graphs: 7", "{" * 100_000, "\xff\xfe", LFS_POINTER])
def test_text_that_is_not_a_saved_model_is_one_clear_finding(good: Path, text: str) -> None:
    (good / "saved_model.pb").unlink()
    (good / "saved_model.pbtxt").write_bytes(text.encode("latin-1"))
    (finding,) = hubcheck.validate(good).findings
    assert finding.rule == "module/readable"
    assert finding.message.startswith("saved_model.pbtxt ")


def as_text(module: Path) -> None:
    from google.protobuf import text_format
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    message = SavedModel.FromString((module / "saved_model.pb").read_bytes())
    (module / "saved_model.pbtxt").write_text(text_format.MessageToString(message))


def test_every_truncation_is_one_finding_or_none(good: Path) -> None:
    """A file that is truncated between its messages is valid."""
    file = good / "saved_model.pb"
    whole = file.read_bytes()
    for end in range(0, len(whole), 251):
        file.write_bytes(whole[:end])
        assert rules_found(hubcheck.validate(good, static=True)) in ([], ["module/readable"]), end


def test_every_flipped_bit_gets_a_verdict(good: Path) -> None:
    file = good / "saved_model.pb"
    whole = file.read_bytes()
    for place in range(0, len(whole), 163):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        file.write_bytes(damaged)
        rules_found(hubcheck.validate(good, static=True))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_read_permission_is_one_finding(good: Path) -> None:
    (good / "saved_model.pb").chmod(0)
    (finding,) = hubcheck.validate(good).findings
    assert finding.message.startswith("saved_model.pb cannot be read")
