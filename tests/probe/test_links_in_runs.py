"""What a module's run can read through links, and what happens if the module is exchanged while it is checked."""

from __future__ import annotations

import itertools
import os
import shutil
import sys
import threading
from pathlib import Path

import pytest

import hubcheck
from hubcheck.module.limits import LIMITS
from hubcheck.module.links import LinkPolicy
from hubcheck.module.open_module import open_module
from hubcheck.probe.observations import Observations
from hubcheck.probe.options import ProbeOptions
from hubcheck.probe.pool import Pool
from hubcheck.rulebook.contract import load_contracts
from hubcheck.sandbox import enforce
from tests.paths import DATA
from tests.probe import reading_server

CONTRACTS = load_contracts()
COMMAND = [sys.executable, str(Path(reading_server.__file__))]
SHARD = "variables/variables.data-00000-of-00001"
needs_sandbox = pytest.mark.skipif(enforce.unavailable() is not None, reason=str(enforce.unavailable()))


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    """A folder with a module, whose weights are large, and files beside it."""
    folder = tmp_path / "hub"
    shutil.copytree(DATA / "x12_assets_and_table", folder / "m")
    with (folder / "m" / SHARD).open("ab") as file:
        file.write(bytes(2 << 20))
    (folder / "shared").mkdir()
    (folder / "shared" / "vocabulary").write_bytes(b"word\n" * (1 << 19))
    (tmp_path / "secret").write_bytes(b"the secret\n" * (1 << 17))
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "key").write_text("the key")
    return folder


def readable(module: Path, policy: LinkPolicy, attempts: list[str]) -> list[str]:
    """Return those of the paths, relative to the module, that native code in a worker can read."""
    (module / "attempts").write_text("\n".join(attempts))
    with open_module(module, LIMITS, policy, to_run=True) as opened, Pool(jobs=1, command=COMMAND) as pool:
        seen = pool.submit(opened, CONTRACTS, ProbeOptions(timeout=30)).result(timeout=120)
    failure = next(load.failure for load in seen.loads if load.failure is not None)
    _, answered, paths = failure.message.partition("read: ")
    assert answered, failure
    return paths.split()


@needs_sandbox
def test_native_code_reads_the_module_and_the_files_that_allowed_links_lead_to(hub: Path) -> None:
    module, secret = hub / "m", hub.parent / "secret"
    (module / "assets" / "near").symlink_to("../../shared/vocabulary")
    (module / "assets" / "far").symlink_to(secret)
    (module / "assets" / "chain").symlink_to(hub / "shared" / "chained")
    (hub / "shared" / "chained").symlink_to(secret)
    (module / "assets.extra").symlink_to(hub.parent / "private")
    (module / "deep" / "er").mkdir(parents=True)
    (module / "deep" / "er" / "far").symlink_to("../../../../secret")
    (module / "assets" / "inside").symlink_to("../saved_model.pb")
    (module / "copy").symlink_to("assets")
    (module / "environment").symlink_to("/proc/self/environ")
    through_links = ["assets/far", "assets/chain", "assets.extra/key", "deep/er/far", "environment"]
    directly = [
        str(secret),
        str(hub / "shared" / "vocabulary"),
        str(hub / "shared" / "chained"),
        str(module / "attempts"),
    ]
    own = ["saved_model.pb", SHARD, "assets/labels.txt", "assets/near", "assets/inside", "copy/labels.txt"]
    found = readable(module, LinkPolicy(named=(hub,)), [*own, *through_links, *directly])
    # A large file is read where it is, so its own path is as good as its name in the module.
    assert found == [*own, str(hub / "shared" / "vocabulary")]


@needs_sandbox
def test_links_from_snapshots_lead_to_the_blobs_of_the_same_cache_only(tmp_path: Path, hub: Path) -> None:
    cache = tmp_path / "models--x"
    (cache / "blobs").mkdir(parents=True)
    module = cache / "snapshots" / "1"
    for name in ("saved_model.pb", SHARD, "variables/variables.index", "tfhub_module.pb", "assets/labels.txt"):
        shutil.copy(hub / "m" / name, cache / "blobs" / name.replace("/", "-"))
        (module / name).parent.mkdir(parents=True, exist_ok=True)
        (module / name).symlink_to(cache / "blobs" / name.replace("/", "-"))
    (cache / "blobs" / "out").symlink_to(tmp_path / "secret")
    (module / "out").symlink_to("../../blobs/out")
    found = readable(module, LinkPolicy(named=(module,)), ["saved_model.pb", SHARD, "assets/labels.txt", "out"])
    assert found == ["saved_model.pb", SHARD, "assets/labels.txt"]


@needs_sandbox
def test_blobs_that_are_themselves_a_link_are_not_followed(tmp_path: Path, hub: Path) -> None:
    module = tmp_path / "upload" / "snapshots" / "1"
    shutil.copytree(hub / "m", module)
    (tmp_path / "upload" / "blobs").symlink_to(tmp_path / "private")
    (module / "key").symlink_to("../../blobs/key")
    assert readable(module, LinkPolicy(named=(tmp_path / "upload",)), ["key", "saved_model.pb"]) == ["saved_model.pb"]


def test_a_link_out_stops_the_run_and_an_unsafe_run_cannot_read_what_it_leads_to(hub: Path) -> None:
    labels, outside = hub / "m" / "assets" / "labels.txt", hub.parent / "labels.txt"
    labels.rename(outside)
    labels.symlink_to(outside)
    (report,) = hubcheck.validate(hub).modules
    assert [(finding.level, finding.rule) for finding in report.findings] == [("error", "safety/paths")]
    assert "--links-below" in report.findings[0].fix
    assert not any(device.ran for device in report.devices)
    (report,) = hubcheck.validate(hub, run_unsafe=True).modules
    assert "module/loads" in [finding.rule for finding in report.findings]
    (hub / "m").rename(hub / "m [1]*")  # a pattern, if TensorFlow reads a checkpoint there
    (report,) = hubcheck.validate(hub, links_below=[hub.parent]).modules
    # The session loader of TensorFlow finds no assets of this format.
    found = [(finding.level, finding.rule) for finding in report.findings]
    assert found == [("warning", "module/servable"), ("warning", "safety/paths")]
    assert report.verdict == "conforms"
    assert all(device.ran for device in report.devices if device.name == "cpu")


@needs_sandbox
def test_folders_that_a_worker_nests_deep_are_removed_and_its_server_serves_on(
    hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    (hub / "m" / "attempts").write_text("nest\nsaved_model.pb")
    with open_module(hub / "m", to_run=True) as opened, Pool(jobs=1, command=COMMAND) as pool:
        for _ in range(2):
            seen = pool.submit(opened, CONTRACTS, ProbeOptions(timeout=30)).result(timeout=120)
            assert "read: saved_model.pb" in str(seen.loads)
    assert list((tmp_path / "scratch").iterdir()) == []


def run(module: Path, exchange: object) -> Observations:
    """Judge a module, then exchange something, then run what was judged."""
    with open_module(module, to_run=True) as judged, Pool(jobs=1) as pool:
        exchange(module)  # type: ignore[operator]
        return pool.submit(judged, CONTRACTS).result(timeout=120)


def test_the_graph_that_was_judged_runs_even_if_another_one_is_there_by_then(hub: Path) -> None:
    def exchange(module: Path) -> None:
        shutil.rmtree(module)
        shutil.copytree(DATA / "b_good_classification", module)

    seen = run(Path(shutil.copytree(DATA / "a_good_feature_vector", hub / "small")), exchange)
    assert [load.failure for load in seen.loads if load.failure] == []
    assert {run.target.signature for run in seen.runs} == {"image_feature_vector"}


@needs_sandbox
def test_weights_that_are_exchanged_before_the_run_are_not_run(hub: Path) -> None:
    def exchange(module: Path) -> None:
        (module / SHARD).unlink()
        (module / SHARD).symlink_to(hub.parent / "secret")

    (device,) = [device for device in run(hub / "m", exchange).devices if device.name == "cpu"]
    assert not device.ran
    assert f"{SHARD} changed" in str(device.reason)


def test_weights_that_are_written_to_all_the_time_leave_the_verdict_incomplete(hub: Path) -> None:
    from hubcheck.run.checker import Checker
    from hubcheck.run.options import Options
    from hubcheck.run.resolved import resolve

    ended = threading.Event()

    def write() -> None:
        for size in itertools.count(3 << 20):
            if ended.wait(0.05):
                return
            os.truncate(hub / "m" / SHARD, size)

    plan = resolve(Options(named=(hub,)))
    writer = threading.Thread(target=write)
    writer.start()
    try:
        with Checker(plan) as checker:
            changed, unchanged = checker.reports([hub / "m", DATA / "a_good_feature_vector"], plan)
    finally:
        ended.set()
        writer.join()
    assert changed.verdict == "incomplete"
    assert f"{SHARD} changed meanwhile" in str({outcome.reason for outcome in changed.outcomes})
    assert unchanged.verdict == "conforms"
