"""A default signature without outputs is a fault of it, and what can be fixed is planned without it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import hubcheck
from hubcheck.module.proto import message_class
from tests.paths import DATA


@pytest.mark.parametrize("name", ["a_good_feature_vector", "b_good_classification", "e_fixed_batch_1"])
def test_it_is_one_finding_and_no_crash(name: str, tmp_path: Path) -> None:
    shutil.copytree(DATA / name, tmp_path, dirs_exist_ok=True)
    model = message_class("SavedModel").FromString((tmp_path / "saved_model.pb").read_bytes())
    for meta in model.meta_graphs:
        meta.signature_def["default"].ClearField("outputs")
    (tmp_path / "saved_model.pb").write_bytes(model.SerializeToString())
    (module,) = hubcheck.validate(tmp_path, static=True, cache=False).modules
    assert [outcome.rule for outcome in module.outcomes if outcome.status == "broken"] == []
    assert [finding.rule for finding in module.findings].count("module/default-signature") == 1
