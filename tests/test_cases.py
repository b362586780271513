"""Modules that stand for a kind of fault, or for what looks like one: what must be said of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import pytest

import hubcheck
from tests.paths import DATA

FOLDER = DATA / "cases"


class Case(NamedTuple):
    """`status` is the outcome of `rule`; a failed rule has one finding, with `text` in it."""

    module: str
    rule: str
    status: str
    verdict: str
    text: str = ""


CASES = (
    Case("batch_in_reshape", "behaviour/runs", "skipped", "violates", "needs output/batch-size"),
    Case("batch_in_reshape", "module/servable", "skipped", "violates", "needs output/batch-size"),
    Case("batch_in_reshape", "output/batch-size", "failed", "violates"),
    Case("batch_of_one_only", "behaviour/batch-independence", "skipped", "violates", "two batch sizes: InvalidArg"),
    Case(
        "batch_of_one_only", "behaviour/batch-size", "failed", "violates", "it runs for 1 image, not for 2, 3, 5 and 33"
    ),
    Case("batch_of_one_only", "behaviour/runs", "passed", "violates"),
    Case(
        "calibrates_on_first_call",
        "behaviour/deterministic",
        "failed",
        "violates",
        "the result depends on what was asked before",
    ),
    Case("calibrates_on_first_call", "module/servable", "skipped", "violates", "needs behaviour/deterministic"),
    Case("constant_random_signs", "output/no-dropout", "passed", "conforms"),
    Case(
        "jpeg_strings", "image-input/dtype", "failed", "violates", "keep the decoding of JPEG or PNG files in another"
    ),
    Case("jpeg_strings", "image-input/rank", "skipped", "violates", "needs image-input/dtype"),
    Case("labels_with_unicode_separators", "classification/labels", "passed", "conforms"),
    Case("nchw_in_branch_not_taken", "device/channels-last", "passed", "conforms"),
    Case(
        "opaque_cpu_only", "device/gpu-kernels", "failed", "violates", "was compiled for CPU only, and fails on a GPU"
    ),
    Case("opaque_cpu_only", "module/trainable", "failed", "violates", "does not support gradients"),
    Case("opaque_logits", "classification/logits", "passed", "conforms"),
    Case("opaque_sigmoid", "classification/logits", "failed", "violates", "in [0, 1], as after a sigmoid"),
    Case("optimizer_slots_in_checkpoint", "module/unused-weights", "failed", "conforms", "132,812 of 199,212 bytes"),
    Case("optional_scalar", "behaviour/informative", "skipped", "violates", 'it also needs "gain"'),
    Case("optional_scalar", "behaviour/runs", "passed", "violates"),
    Case("optional_scalar", "image-input/sole", "failed", "violates", 'also needs "gain"'),
    Case("partition_missing", "module/readable", "failed", "violates", "no [0:3, 0:3, 0:3, 6:8] of variable net/w"),
    Case("pinned_to_job", "device/cpu", "skipped", "violates", "needs device/pinned"),
    Case("pinned_to_job", "device/pinned", "failed", "violates", "/job:worker/task:1: 18 nodes"),
    Case("prevent_gradient", "module/trainable", "failed", "violates", "PreventGradient has no gradient"),
    Case("random_only_for_logging", "behaviour/deterministic", "passed", "conforms"),
    Case("range_in_batch_norm", "image-input/value-range", "failed", "conforms", "[-2, -1.983]"),
    Case("range_in_variables", "image-input/value-range", "failed", "conforms", "[-1.992, -1.975]"),
    Case("range_in_variables_good", "image-input/value-range", "passed", "conforms"),
    Case("reference_dtype", "module/readable", "passed", "violates"),
    Case("reference_dtype", "module/reference-variables", "failed", "violates", "2 reference variables of TF1"),
    Case("reference_variables", "module/reference-variables", "failed", "conforms", "conv1/kernel, conv2/kernel"),
    Case("refuses_black", "behaviour/batch-size", "skipped", "violates", "needs behaviour/runs"),
    Case("refuses_black", "behaviour/runs", "failed", "violates", "it does not run on black images"),
    Case("refuses_black_batches", "behaviour/batch-size", "skipped", "violates", "needs behaviour/runs"),
    Case("refuses_black_batches", "behaviour/runs", "failed", "violates", "it does not run on black images"),
    Case("resize_area", "module/trainable", "failed", "violates", "ResizeArea has no gradient"),
    Case("saver_with_cond", "safety/file-access", "passed", "conforms"),
    Case("sharded_variable", "module/readable", "failed", "violates", "h/part_0 float32 [4, 16]"),
    Case("stopped_gradient", "module/trainable", "failed", "conforms", "no gradient for any of 2 variables"),
    Case("tpu_graph_beside_serve", "device/cpu", "passed", "conforms"),
    Case("tpu_graph_beside_serve", "device/pinned", "failed", "conforms", "for TPUs alone"),
    Case("unsafe_behind_unreadable", "safety/file-access", "failed", "violates", "/etc/hostname"),
    Case("xla_must_compile", "module/servable", "failed", "conforms", "built without XLA refuses the call"),
)
"""Sorted by name. Of reference_dtype, TensorFlow 2's loader refuses the signature with a reference; sessions run it.
The jax2tf of opaque_cpu_only was called with with_gradient=False, which puts a PreventGradient behind the program."""


@pytest.fixture(scope="module")
def reports(request: pytest.FixtureRequest) -> Mapping[str, hubcheck.ModuleReport]:
    """The reports of the modules of the selected tests, from one run."""
    chosen = {item.callspec.params["case"].module for item in request.session.items if "case" in _params(item)}
    names = sorted(chosen)
    return dict(zip(names, hubcheck.validate([FOLDER / name for name in names]).modules, strict=True))


def _params(item: pytest.Item) -> Mapping[str, object]:
    return item.callspec.params if hasattr(item, "callspec") and item.path.name == "test_cases.py" else {}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.module}-{case.rule}")
def test_a_case_is_judged_as_it_should_be(case: Case, reports: Mapping[str, hubcheck.ModuleReport]) -> None:
    report = reports[case.module]
    outcome = next(outcome for outcome in report.outcomes if outcome.rule == case.rule)
    findings = [finding for finding in report.findings if finding.rule == case.rule]
    said = [f"{f.rule}: {f.message} / {f.found} / {f.wanted} / {f.fix}" for f in report.findings]
    assert (outcome.status, report.verdict) == (case.status, case.verdict), (said, outcome.reason)
    assert len(findings) == (case.status == "failed"), said
    shown = " / ".join(said) if case.status == "failed" else outcome.reason or ""
    assert case.text in shown, (case.text, shown)


def test_every_case_has_a_row() -> None:
    assert {folder.name for folder in FOLDER.iterdir()} == {case.module for case in CASES}


def test_rows_are_sorted() -> None:
    assert [case[:2] for case in CASES] == sorted(case[:2] for case in CASES)
