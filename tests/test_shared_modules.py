"""Modules that other programs wrote get the verdict that is known of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

import hubcheck
from hubcheck.engine.module_report import ModuleReport

OURS = {
    "a_good_feature_vector": set(),
    "b_good_classification": set(),
    "c_dropout_on_features_train": {"output/no-dropout"},
    "d_dropout_inside_train_only": set(),
    "e_fixed_batch_1": {"image-input/batch-size"},
    "g_input_named_inputs": {"image-input/name"},
    "n_default_differs": {"module/default-signature"},
    "x12_assets_and_table": set(),
}
"""The modules in tests/data, and the rules that each breaks at level error."""

NO_IMAGE_MODULE = {"module/task-signature", "module/default-signature"}

OTHERS = {
    "public/examples_saved_model_v2_mini": {"module/task-signature"},
    "public/fer_emotion_keras3_export": {"module/task-signature"},
    "public/hub_half_plus_two_v1": {"module/task-signature"},
    "public/keras2_dog_head": {"module/readable"},
    "public/keras2_rock_paper_scissors": {"module/readable"},
    "public/mediapipe_hub_module_v1_mini_train": {"module/task-signature"},
    "public/serving_half_plus_two_gpu_trt": {*NO_IMAGE_MODULE, "device/pinned"},
    "public/tf1_cifar": NO_IMAGE_MODULE,
    "public/tf2onnx_regression": NO_IMAGE_MODULE,
    "public/tf_half_plus_two_v2": NO_IMAGE_MODULE,
    "public/tfjs_multiple_signatures": {"module/task-signature"},
    "tf1-hub/image_util_test_image_module_with_info": {"module/task-signature"},
    "tf1-hub/nmt_sparse_square": {"module/task-signature"},
    "tf1-hub/nmt_table_lookup": {"module/task-signature"},
    "tf1-hub/nmt_update_ops": NO_IMAGE_MODULE,
}
"""Modules of other projects; none was made for this convention."""


@pytest.fixture(scope="module")
def ours(data: Path) -> Mapping[str, ModuleReport]:
    return _reports(data, OURS)


@pytest.fixture(scope="module")
def others(shared_modules: Path) -> Mapping[str, ModuleReport]:
    return _reports(shared_modules, OTHERS)


def _reports(folder: Path, names: Mapping[str, set[str]]) -> Mapping[str, ModuleReport]:
    report = hubcheck.validate([folder / name for name in names])
    return dict(zip(names, report.modules, strict=True))


def _errors(report: ModuleReport) -> set[str]:
    return {finding.rule for finding in report.findings if finding.level == "error"}


def _failures_of_ours(report: ModuleReport) -> list[str | None]:
    return [outcome.reason for outcome in report.outcomes if outcome.status == "broken" or not outcome.complete]


@pytest.mark.parametrize("name", OURS)
def test_a_module_of_the_original_library_gets_its_verdict(name: str, ours: Mapping[str, ModuleReport]) -> None:
    assert _errors(ours[name]) == OURS[name], ours[name].findings
    assert _failures_of_ours(ours[name]) == []
    assert ours[name].format == "tf1-hub"


@pytest.mark.shared
@pytest.mark.parametrize("name", OTHERS)
def test_a_module_of_another_project_gets_its_verdict(name: str, others: Mapping[str, ModuleReport]) -> None:
    assert _errors(others[name]) == OTHERS[name], others[name].findings
    assert _failures_of_ours(others[name]) == []


@pytest.mark.shared
@pytest.mark.parametrize("name", ["public/keras2_dog_head", "public/keras2_rock_paper_scissors"])
def test_forgotten_variables_are_not_called_corruption(name: str, others: Mapping[str, ModuleReport]) -> None:
    (finding,) = others[name].failures
    assert "the folder variables/ is missing" in finding.message


@pytest.mark.shared
def test_every_module_at_hand_is_in_the_tables(shared_modules: Path, data: Path) -> None:
    def names(folder: Path) -> set[str]:
        return {str(module.relative_to(folder)) for module in map(Path, _paths(folder))}

    assert {name for name in names(data) if not name.startswith("cases/")} == set(OURS)
    assert names(shared_modules) == set(OTHERS) | {f"tf1-hub/{name}" for name in OURS}


def _paths(folder: Path) -> list[str]:
    return [str(file.parent) for file in folder.rglob("saved_model.pb")]
