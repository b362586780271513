"""Workers that a module took over: what they attempt fails, they are ended, and other modules run on."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hubcheck.module.reader import read
from hubcheck.module.types import Module
from hubcheck.probe.observations import Failure, Observations
from hubcheck.probe.options import ProbeOptions
from hubcheck.probe.plan.planning import plan_steps
from hubcheck.probe.pool import Pool, ProbeError
from hubcheck.rulebook.contract import load_contracts
from hubcheck.sandbox import enforce
from hubcheck.sandbox.processes import children
from tests.paths import DATA
from tests.probe import hostile_server as hostile

COMMAND = [sys.executable, str(Path(hostile.__file__))]
GIB = 1 << 30

pytestmark = pytest.mark.skipif(enforce.unavailable() is not None, reason=str(enforce.unavailable()))


@pytest.fixture
def module(tmp_path: Path) -> Module:
    """A module in its own folder, with a secret file in the folder above."""
    import shutil

    folder = tmp_path / "module"
    shutil.copytree(DATA / "a_good_feature_vector", folder)
    (tmp_path / "secret").write_text("the secret", encoding="utf-8")
    return read(folder)


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of the pools' scratch folders, which must be empty after the test."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


def seen(module: Module, action: object, *, sandbox: str = "auto", **limits: float | int) -> Observations:
    options = ProbeOptions(seed=hostile.seed_of(action), **{"timeout": 20.0, "memory": GIB, **limits})  # type: ignore[arg-type]
    before = set(children())
    with Pool(jobs=1, command=COMMAND, sandbox=sandbox) as pool:  # type: ignore[arg-type]
        result = pool.submit(module, load_contracts(), options).result(timeout=120)
    assert set(children()) == before, "processes were left behind"
    return result


def failure(observations: Observations) -> Failure:
    found = [
        *(load.failure for load in observations.loads if load.failure is not None),
        *(run.failure for run in observations.runs if run.failure is not None),
    ]
    assert len(found) >= 1, "no failure was reported"
    assert "\n" not in found[0].message
    return found[0]


@pytest.mark.parametrize(
    "action",
    [
        hostile.write,
        hostile.read,
        hostile.execute,
        hostile.connect,
        hostile.fork,
        hostile.daemon,
        hostile.terminate,
        hostile.change_permissions,
        hostile.allocate_shared,
    ],
)
def test_the_sandbox_refuses_what_a_module_does_not_need(action, module, scratch, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        (module.folder / "port").write_text(str(listener.getsockname()[1]), encoding="ascii")
        listener.settimeout(0.1)
        reported = failure(seen(module, action))
        with pytest.raises(TimeoutError):
            listener.accept()
    refusals = "PermissionError", "Read-only file system", "No such file or directory"
    assert any(refusal in reported.message for refusal in refusals), reported
    assert not (tmp_path / "escaped").exists()


def test_the_same_attempts_succeed_without_the_sandbox(module, scratch, tmp_path):
    assert "written" in failure(seen(module, hostile.write, sandbox="off")).message
    assert (tmp_path / "escaped").exists()
    assert "the secret" in failure(seen(module, hostile.read, sandbox="off")).message


@pytest.mark.parametrize(
    ("action", "kind", "text"),
    [
        (hostile.abort, "crash", "signal 6 (SIGABRT): Check failed: ok (0 vs. 1) the end"),
        (hostile.segfault, "crash", "signal 11 (SIGSEGV)"),
        (hostile.divide_by_zero, "crash", "signal 8 (SIGFPE)"),
        (hostile.exit_like_our_own_crash, "crash", "the module ended its worker with exit status 70"),
        (hostile.exit_with_success, "crash", "the module ended its worker with exit status 0"),
        (hostile.close_the_channel, "crash", "the module ended its worker with exit status 3"),
        (hostile.half_a_frame, "crash", "the module ended its worker with exit status 0"),
        (hostile.send_garbage, "protocol", "interfered with its own check"),
        (hostile.endless_frame, "protocol", "interfered with its own check"),
        (hostile.flood_of_frames, "protocol", "interfered with its own check"),
        *((action, "protocol", "interfered with its own check") for action in hostile.FORGED.values()),
        (hostile.nest_folders, "error", "nested folders"),
        (hostile.raise_slow_text, "kernel", "No OpKernel was registered"),
        (hostile.raise_control_characters, "error", "::error:: ##[error]"),
    ],
)
def test_a_worker_that_crashes_or_sends_garbage_is_reported_in_one_line(action, kind, text, module, scratch):
    began = time.monotonic()
    reported = failure(seen(module, action, timeout=90.0))
    assert (reported.kind, text in reported.message) == (kind, True), reported
    assert reported.message.isprintable()
    assert time.monotonic() - began < 80  # no deadline was waited for


@pytest.mark.parametrize(
    ("action", "text"),
    [
        (hostile.loop, "deadline of 2 s; raise it with --timeout"),
        (hostile.allocate, "memory-mb in the configuration"),
        (hostile.allocate_page_tables, "memory-mb in the configuration"),
        (hostile.fill_with_little_memory, "memory-mb in the configuration"),
        (hostile.kill_itself, "killed with signal 9 (SIGKILL)"),
        (hostile.claim_a_crash_of_hubcheck, "the check failed in the worker that runs the module: KeyError: 'ours'"),
    ],
)
def test_a_limit_or_a_kill_is_no_failure_of_the_module(action, text, module, scratch):
    little = {"memory": 256 << 20} if action is hostile.fill_with_little_memory else {}
    observations = seen(module, action, timeout=2.0 if action is hostile.loop else 20.0, **little)
    assert [load.failure for load in observations.loads if load.failure] == []
    assert [run.failure for run in observations.runs if run.failure] == []
    assert text in observations.not_run[0].reason


def test_memory_as_files_counts_where_a_driver_needs_them(module, scratch):
    options = ProbeOptions(seed=hostile.seed_of(hostile.allocate_memory_files), timeout=60.0, memory=GIB)
    with Pool(jobs=1, command=COMMAND, devices=("gpu",)) as pool:
        on_gpu = pool.submit(module, load_contracts(), options).result(timeout=120)
    assert "its limit of 1.0 GiB" in on_gpu.not_run[0].reason
    assert "Operation not permitted" in failure(seen(module, hostile.allocate_memory_files)).message


@pytest.mark.parametrize(
    ("action", "texts"),
    [
        (hostile.start_threads, ("thousands of threads", "can't start new thread")),
        (hostile.make_files, ("filled its scratch folder",)),
    ],
)
def test_threads_and_files_are_bounded(action, texts, module, scratch):
    reported = failure(seen(module, action, timeout=60.0))
    assert any(text in reported.message for text in texts), reported


def test_a_worker_cannot_claim_protections_that_it_does_not_have(module, scratch):
    observations = seen(module, hostile.FORGED["a claim that there is a sandbox"], sandbox="off")
    assert "everything" not in observations.sandbox
    assert "files (Landlock): switched off" in observations.sandbox_missing


def test_a_module_that_exceeds_its_share_of_the_memory_runs_again_alone(module, scratch, monkeypatch):
    """Exceeding a share of the memory is no fault; the module runs again with all of it."""
    shares = {1: 2 * GIB, 2: GIB // 2}
    monkeypatch.setattr("hubcheck.probe.dispatch.dispatcher.fair_share", shares.__getitem__)
    options = ProbeOptions(seed=hostile.seed_of(hostile.need_much), timeout=30.0)
    with Pool(jobs=2, command=COMMAND) as pool:
        futures = [pool.submit(module, load_contracts(), options) for _ in range(3)]
        reported = [failure(future.result(timeout=100)).message for future in futures]
    assert reported == ["Outcome: had 700 MiB"] * 3


def test_an_internal_error_before_the_module_is_loaded_is_hubchecks_own(module, scratch):
    with Pool(jobs=1, command=COMMAND) as pool:
        options = ProbeOptions(seed=hostile.FAIL_BEFORE_THE_MODULE)
        with pytest.raises(ProbeError) as caught:
            pool.submit(module, load_contracts(), options).result(timeout=60)
    assert caught.value.internal


def test_a_worker_that_fills_the_disk_is_stopped(module, scratch):
    reported = failure(seen(module, hostile.fill))
    limits = "scratch", "File too large", "No space left on device"
    assert any(limit in reported.message for limit in limits), reported


def test_gigabytes_of_output_do_no_harm(module, scratch):
    assert "printed 2 GB" in failure(seen(module, hostile.print_much, timeout=100.0)).message


def test_control_characters_in_the_output_do_not_end_the_run(module, scratch):
    assert "printed" in failure(seen(module, hostile.print_control_characters)).message


def test_a_process_left_behind_is_ended_without_the_sandbox_too(module, scratch):
    assert "forked" in failure(seen(module, hostile.daemon, sandbox="off")).message


def test_other_modules_of_the_pool_are_run_completely(module, scratch):
    """One worker of a pool crashes while another runs its plan."""
    contracts = load_contracts()
    with Pool(jobs=2, command=COMMAND) as pool:
        crashing = ProbeOptions(seed=hostile.seed_of(hostile.segfault), timeout=30.0, memory=2 * GIB)
        bad = pool.submit(module, contracts, crashing)
        good = pool.submit(module, contracts, ProbeOptions(timeout=60.0, memory=4 * GIB))
        assert "SIGSEGV" in failure(bad.result(timeout=100)).message
        runs = good.result(timeout=100)
    planned = plan_steps(module, contracts)
    assert {run.purpose for run in runs.runs} >= {
        "pictures",
        "three",
        "alone",
        "swapped",
        "black",
        "many",
        "again",
        "repeated",
    }
    assert [run.failure for run in runs.runs if run.failure] == []
    assert {load.variant for load in runs.loads} >= {",".join(steps.load.tags) for steps in planned.variants}
    assert any(load.session for load in runs.loads)


def test_observations_list_the_protections(module, scratch):
    observations = seen(module, hostile.write)
    assert {"files (Landlock)", "network (seccomp)", "memory", "deadline"} <= set(observations.sandbox)
    assert [text for text in observations.sandbox_missing if not text.startswith("root user")] == []
    assert "files (Landlock): switched off" in seen(module, hostile.segfault, sandbox="off").sandbox_missing


def test_a_server_that_a_module_kills_is_started_again_for_the_others(module, scratch):
    contracts = load_contracts()
    with Pool(jobs=2, command=COMMAND, sandbox="off") as pool:
        seeds = (hostile.read, hostile.terminate, hostile.write, hostile.read)
        options = [ProbeOptions(seed=hostile.seed_of(action), timeout=60.0, memory=GIB) for action in seeds]
        futures = [pool.submit(module, contracts, option) for option in options]
        with pytest.raises(ProbeError, match=r"the probe server died: .*, twice while this module ran") as caught:
            futures.pop(1).result(timeout=100)
        assert not caught.value.internal
        reported = [failure(future.result(timeout=100)).message for future in futures]
    assert ["the secret" in reported[0], "written" in reported[1], "the secret" in reported[2]] == [True] * 3


def test_a_closed_pool_has_ended_its_workers(module, scratch):
    before = set(children())
    pool = Pool(jobs=1, command=COMMAND)
    (server,) = set(children()) - before
    options = ProbeOptions(seed=hostile.seed_of(hostile.loop), timeout=100.0, memory=GIB)
    future = pool.submit(module, load_contracts(), options)
    deadline = time.monotonic() + 20
    while not list(scratch.glob("*/0")) + list(scratch.glob("*/1")) and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.2)
    workers = _children_of(server)
    assert workers
    pool.close()
    assert not any(Path(f"/proc/{pid}").exists() for pid in (*workers, server))
    assert future.done()


def _children_of(pid: int) -> list[int]:
    return [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and _parent(entry) == pid and int(entry.name) != os.getpid()
    ]


def _parent(entry: Path) -> int:
    try:
        return int((entry / "stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[1])
    except OSError:
        return 0
