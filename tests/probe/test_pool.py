"""The pool, what it reports as missing, evidence and replay."""

from __future__ import annotations

import json
import sys
from concurrent.futures import CancelledError
from pathlib import Path

import numpy as np
import pytest

from hubcheck.module.links import LinkPolicy
from hubcheck.module.open_module import open_module
from hubcheck.module.reader import read
from hubcheck.probe.devices import cannot_run
from hubcheck.probe.evidence import save_evidence
from hubcheck.probe.observations import Observations
from hubcheck.probe.options import ProbeOptions
from hubcheck.probe.pool import Pool, ProbeError, SandboxUnavailable
from hubcheck.probe.replay import CallRequest, NoSuchCall, describe, replay
from hubcheck.rulebook.contract import load_contracts
from hubcheck.sandbox import enforce
from tests.cli.command import hubcheck as hubcheck_command
from tests.paths import DATA

CONTRACTS = load_contracts()
MODULE = read(DATA / "b_good_classification")
OPTIONS = ProbeOptions(seed=3, larger_batch=6)


@pytest.fixture(scope="module")
def pool():
    with Pool(jobs=1) as made:
        yield made


@pytest.fixture(scope="module")
def seen(pool) -> Observations:
    return pool.submit(MODULE, CONTRACTS, OPTIONS).result(timeout=120)


def test_one_run_serves_every_rule(seen):
    """Each signature is called with few images in all."""
    runs = [run for run in seen.runs if run.target.variant == "" and not run.target.session]
    assert sum(run.batch for run in runs) == 2 * (6 + 3 + 2 + 1 + 3 * 1 + 33 + 6)
    assert all(run.failure is None for run in seen.runs)
    assert [load.session for load in seen.loads] == [False, False, True, True]


def test_the_same_images_have_the_same_results_in_another_worker(pool, seen):
    again = pool.submit(MODULE, CONTRACTS, OPTIONS).result(timeout=120)
    for one, other in zip(seen.runs, again.runs, strict=True):
        if one.purpose == "pictures" and one.target.variant == "":
            np.testing.assert_array_equal(one.outputs["default"].values, other.outputs["default"].values)


def test_evidence_holds_inputs_and_results(seen, tmp_path):
    files = save_evidence(tmp_path, MODULE, CONTRACTS, seen, OPTIONS)
    names = {file.name for file in files}
    assert {"inference.image_classification.cpu.npz", "train.image_feature_vector.cpu.npz"} <= names
    assert any("session" in name for name in names)
    with np.load(tmp_path / MODULE.path.name / "inference.image_classification.cpu.npz") as stored:
        assert stored["pictures.images"].shape == (6, 32, 24, 3)
        assert stored["pictures.images"].min() >= 0
        assert stored["pictures.images"].max() <= 1
        values = next(r for r in seen.runs if r.target.signature == "image_classification").outputs["default"].values
        np.testing.assert_array_equal(stored["pictures.default.result"], values)
    with np.load(tmp_path / MODULE.path.name / "train.image_feature_vector.cpu.npz") as stored:
        assert stored["repeated.default.result"].shape[:2] == (24, 4)


def test_replay_makes_a_call_again_with_the_same_images(pool, seen):
    wanted = CallRequest(signature="image_classification", calls=("pictures", "alone"))
    again = replay(MODULE, CONTRACTS, wanted, pool=pool, options=OPTIONS)
    assert [(run.purpose, run.batch) for run in again.runs] == [("pictures", 6), ("alone", 1)]
    first = next(run for run in seen.runs if run.target.signature == "image_classification")
    np.testing.assert_array_equal(again.runs[0].outputs["default"].values, first.outputs["default"].values)
    text = "\n".join(describe(again))
    assert "of its largest value from `pictures`" in text
    assert "seed 3" in text


def test_replay_of_an_unknown_call_is_an_error(pool):
    with pytest.raises(NoSuchCall, match="image_feature_vector"):
        replay(MODULE, CONTRACTS, CallRequest(signature="image_features"), pool=pool)


def test_the_replay_command_shows_repeated_calls_and_saves_evidence(tmp_path):
    command = ["replay", DATA / "a_good_feature_vector", "--variant", "train"]
    command += ["--signature", "image_feature_vector", "--calls", "repeated", "--save-evidence", tmp_path]
    done = hubcheck_command(*command)
    assert done.returncode == 0, done.stderr
    assert "repeated 24 times" in done.stdout
    assert len(list(tmp_path.rglob("*.npz"))) == 1


def test_observations_have_the_options_that_replay_them(seen):
    assert seen.settings == ("--seed", "3", "--larger-batch", "6")
    assert ProbeOptions().settings == ()


def test_a_missing_sandbox_or_tensorflow_is_reported_before_a_server_starts(monkeypatch):
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    assert "riscv64" in (enforce.unavailable() or "")
    with pytest.raises(SandboxUnavailable, match="riscv64"):
        Pool(sandbox="required")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "TensorFlow is not installed" in (cannot_run() or "")


def test_a_server_that_cannot_start_is_an_error_at_once(tmp_path):
    failing = tmp_path / "server.py"
    failing.write_text("raise SystemExit('no server here')\n", encoding="utf-8")
    with Pool(command=[sys.executable, str(failing)]) as pool:
        future = pool.submit(MODULE, CONTRACTS)
        with pytest.raises(ProbeError, match="no server here"):
            future.result(timeout=60)
        with pytest.raises(ProbeError):
            pool.submit(MODULE, CONTRACTS).result(timeout=60)


def test_closing_the_pool_cancels_what_has_not_run(tmp_path):
    with Pool(jobs=1) as pool:
        futures = [pool.submit(MODULE, CONTRACTS) for _ in range(4)]
    for future in futures:
        with pytest.raises((CancelledError, ProbeError)):
            future.result(timeout=1)
    with pytest.raises(ProbeError, match="closed"):
        pool.submit(MODULE, CONTRACTS)


def test_a_cancelled_module_does_not_run(pool):
    futures = [pool.submit(MODULE, CONTRACTS) for _ in range(3)]
    assert futures[2].cancel()
    assert futures[1].result(timeout=120).runs
    assert futures[2].cancelled()


def test_a_module_with_links_to_files_elsewhere_can_be_read(tmp_path):
    """Caches of models keep files in one folder and link to them from another."""
    store, folder = tmp_path / "store", tmp_path / "module"
    for file in sorted(path for path in MODULE.folder.rglob("*") if path.is_file()):
        kept = store / file.name
        kept.parent.mkdir(exist_ok=True)
        kept.write_bytes(file.read_bytes())
        link = folder / file.relative_to(MODULE.folder)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(kept)
    with Pool(jobs=1) as pool, open_module(folder, links=LinkPolicy(below=(store,)), to_run=True) as module:
        seen = pool.submit(module, CONTRACTS).result(timeout=120)
    assert [load.failure for load in seen.loads if load.failure] == []


def test_a_module_can_be_named_by_a_relative_path(tmp_path, monkeypatch, pool):
    monkeypatch.chdir(DATA)
    seen = pool.submit(read(Path("a_good_feature_vector")), CONTRACTS).result(timeout=120)
    assert [load.failure for load in seen.loads if load.failure] == []


def test_a_run_with_own_rules_prints_them_for_replay_and_survives_evidence_that_cannot_be_saved(tmp_path):
    (tmp_path / "house").mkdir()
    (tmp_path / "evidence").mkdir()
    (tmp_path / "evidence" / "n_default_differs").touch()
    command = ["validate", DATA / "n_default_differs", "--format", "json"]
    command += ["--rules", "house", "--save-evidence", "evidence", "--device", "cpu"]
    done = hubcheck_command(*command, cwd=tmp_path)
    report = json.loads(done.stdout)
    (notice,) = report["notices"]
    assert (done.returncode, report["exit_code"]) == (2, 2), done.stderr
    assert notice.startswith("the evidence of 1 module could not be saved: evidence: ")
    (fix,) = {finding["fix"] for finding in report["modules"][0]["findings"] if "hubcheck replay" in finding["fix"]}
    assert fix.endswith(" --rules house")
