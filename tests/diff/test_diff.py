"""hubcheck diff: which changes break consumers of the old version, which add to it, and which do not matter."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import hubcheck
from hubcheck.diff.changes import Change
from hubcheck.diff.compare import compare
from hubcheck.module.proto import message_class
from hubcheck.rulebook.contract import load_contracts
from tests.cli.command import hubcheck as hubcheck_command
from tests.paths import DATA

GOOD = DATA / "a_good_feature_vector"
CLASSES = DATA / "b_good_classification"


def diff(*arguments: object) -> subprocess.CompletedProcess[str]:
    return hubcheck_command("diff", *arguments)


def changes(old: Path, new: Path) -> list[Change]:
    return compare(hubcheck.read(old), hubcheck.read(new), load_contracts())


Edit = Callable[[Any], object]


@pytest.fixture
def edited(tmp_path: Path) -> Callable[[Edit], Path]:
    """A copy of the good module whose signatures, in every variant, are changed."""

    def make(edit: Edit) -> Path:
        module = Path(shutil.copytree(GOOD, tmp_path / "edited"))
        file = module / "saved_model.pb"
        message = message_class("SavedModel").FromString(file.read_bytes())
        for variant in message.meta_graphs:
            for signature in variant.signature_def.values():
                edit(signature)
        file.write_bytes(message.SerializeToString())
        return module

    return make


def sizes(side: str, key: str, axis: int, size: int) -> Edit:
    def edit(signature: Any) -> None:
        getattr(signature, side)[key].tensor_shape.dim[axis].size = size

    return edit


def copied(side: str, key: str, name: str) -> Edit:
    def edit(signature: Any) -> None:
        tensors = getattr(signature, side)
        tensors[name].CopyFrom(tensors[key])

    return edit


def optional(signature: Any) -> None:
    copied("inputs", "images", "scale")(signature)
    signature.defaults["scale"].dtype = 1
    signature.defaults["scale"].float_val.append(1.0)
    signature.defaults["scale"].tensor_shape.SetInParent()


def dtype(side: str, key: str, value: int) -> Edit:
    return lambda signature: setattr(getattr(signature, side)[key], "dtype", value)


def removed(side: str, key: str) -> Edit:
    return lambda signature: getattr(signature, side).pop(key)


@pytest.mark.parametrize(
    ("edit", "kind", "message"),
    [
        (sizes("inputs", "images", 0, 1), "breaking", "are rejected"),
        (sizes("inputs", "images", 1, -1), "additive", "more shapes are accepted"),
        (sizes("inputs", "images", 1, 99), "breaking", "are rejected"),
        (dtype("inputs", "images", 4), "breaking", "the dtype changed"),
        (copied("inputs", "images", "scale"), "breaking", "an input was added"),
        (optional, "breaking", "an input was added, on which TensorFlow 2.21 insists in spite of its default"),
        (copied("outputs", "default", "TinyCNN/pool"), "additive", "the output was added"),
        (removed("outputs", "TinyCNN/layer_1"), "breaking", "the output was removed"),
        (sizes("outputs", "default", 1, 17), "breaking", "the shape changed"),
        (sizes("outputs", "default", 1, -1), "breaking", "the shape changed"),
        (dtype("outputs", "default", 2), "breaking", "the dtype changed"),
    ],
    ids=lambda value: value if isinstance(value, str) else "edit",
)
def test_a_change_of_a_signature_is_classified_from_the_consumers_side(edit, kind, message, edited):
    found = changes(GOOD, edited(edit))
    assert kind in {change.kind for change in found}
    assert any(message in change.message and change.kind == kind for change in found), found
    assert len([c for c in found if c.where.startswith("image_feature_vector") and message in c.message]) == 1


NARROWER = {"batch": sizes("inputs", "images", 0, 1), "output": removed("outputs", "TinyCNN/layer_1")}


@pytest.mark.parametrize("edit", NARROWER.values(), ids=NARROWER)
def test_a_breaking_change_is_additive_in_the_other_direction(edit, edited):
    assert {change.kind for change in changes(edited(edit), GOOD)} == {"additive"}


def test_outputs_whose_batch_opens_with_that_of_the_input_break_nobody(edited):
    """They do where the input's batch was open already, and where another dimension opens too."""

    def fixed(signature: Any) -> None:
        sizes("inputs", "images", 0, 4)(signature)
        for key in signature.outputs:
            sizes("outputs", key, 0, 4)(signature)

    old = edited(fixed)
    assert {change.kind for change in changes(old, GOOD)} == {"additive"}
    assert "breaking" in {change.kind for change in changes(GOOD, old)}
    file = old / "saved_model.pb"
    fixed_width = file.read_bytes()
    message = message_class("SavedModel").FromString(fixed_width)
    for variant in message.meta_graphs:
        for signature in variant.signature_def.values():
            sizes("inputs", "images", 0, -1)(signature)
    file.write_bytes(message.SerializeToString())
    assert "the shape changed" in {change.message for change in changes(old, GOOD)}


@pytest.mark.parametrize("module", sorted(DATA.glob("*/saved_model.pb")), ids=lambda file: file.parent.name)
def test_a_module_has_no_changes_against_itself(module):
    assert changes(module.parent, module.parent) == []


def test_a_missing_variant_or_signature_breaks(tmp_path):
    module = Path(shutil.copytree(CLASSES, tmp_path / "m"))
    file = module / "saved_model.pb"
    message = message_class("SavedModel").FromString(file.read_bytes())
    kept = next(variant for variant in message.meta_graphs if not variant.meta_info_def.tags)
    del kept.signature_def["image_classification"]
    del message.meta_graphs[:]
    message.meta_graphs.append(kept)
    file.write_bytes(message.SerializeToString())
    found = {(change.where, change.message) for change in changes(CLASSES, module) if change.kind == "breaking"}
    assert {
        ("image_classification", "the signature was removed"),
        ("variant {train}", "the variant was removed"),
    } <= found


def test_another_format_is_breaking_and_callables_are_compared(fixture_module):
    tf2 = fixture_module("image-input/batch-size/good")
    assert any("format" in change.message for change in changes(GOOD, tf2))
    fixed = changes(tf2, fixture_module("image-input/batch-size/bad"))
    assert any(change.kind == "breaking" and "images" in change.where for change in fixed)


def test_an_unreadable_new_version_is_breaking_and_an_unreadable_old_one_is_an_error(tmp_path):
    damaged = Path(shutil.copytree(GOOD, tmp_path / "m"))
    (damaged / "saved_model.pb").write_bytes(b"")
    done = diff("--static", GOOD, damaged)
    assert done.returncode == 1
    assert "the new version cannot be read: saved_model.pb is empty" in done.stdout
    done = diff("--static", damaged, GOOD)
    assert (done.returncode, done.stdout) == (2, "")
    assert "there is nothing to compare with" in done.stderr


def test_a_folder_of_several_modules_is_an_error(tmp_path):
    for name in ("a", "b"):
        shutil.copytree(GOOD, tmp_path / name)
    assert "2 modules are below it" in diff("--static", GOOD, tmp_path).stderr


def test_differences_of_values_are_reported_and_do_not_change_the_verdict(tmp_path):
    other = Path(shutil.copytree(GOOD, tmp_path / "m"))
    shard = other / "variables" / "variables.data-00000-of-00001"
    data = bytearray(shard.read_bytes())
    data[2] ^= 0x40
    shard.write_bytes(data)
    done = diff(GOOD, GOOD)
    assert done.returncode == 0, done.stdout
    assert "the values for the same images are equal" in done.stdout
    report = json.loads(diff(GOOD, other, "--format", "json").stdout)
    (row,) = report["agreements"]
    if row["difference"] is None:  # TensorFlow noticed that the weights are damaged: they no longer load.
        assert (row["fails"], report["verdict"]) == (True, "breaking")
    else:
        assert report["verdict"] == "compatible"


def test_all_formats_report_the_same_changes(tmp_path):
    done = diff("--static", GOOD, CLASSES, "--output", tmp_path / "d.json", "--output", tmp_path / "d.md")
    assert done.returncode == 1
    report = json.loads((tmp_path / "d.json").read_text(encoding="utf-8"))
    table = (tmp_path / "d.md").read_text(encoding="utf-8").replace("\\", "")
    flat = " ".join(done.stdout.split())
    assert report["verdict"] == "breaking"
    for change in report["changes"]:
        assert f"{change['kind']} {change['where']} {change['message']}" in flat
        assert f"{change['kind']} | {change['where']} | {change['message']} |" in table
    assert diff(GOOD, CLASSES, "--output", tmp_path / "d.sarif").returncode == 2
