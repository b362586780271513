"""A worker that a module took over: what it tries fails, it ends, and the rest goes on."""

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
from hubcheck.sandbox import landlock, seccomp
from hubcheck.sandbox.processes import children
from tests.paths import DATA
from tests.probe import hostile_server as hostile

COMMAND = [sys.executable, str(Path(hostile.__file__))]
GIB = 1 << 30

pytestmark = pytest.mark.skipif(
    landlock.version() == 0 or not seccomp.available(), reason="the kernel has no Landlock or no seccomp"
)


@pytest.fixture
def module(tmp_path: Path) -> Module:
    """A module in a folder of its own, with a secret and a place to escape to beside it."""
    import shutil

    folder = tmp_path / "module"
    shutil.copytree(DATA / "a_good_feature_vector", folder)
    (tmp_path / "secret").write_text("the secret", encoding="utf-8")
    return read(folder)


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where pools keep their scratch folders: empty again after the test."""
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
    found = [load.failure for load in observations.loads if load.failure is not None]
    assert len(found) >= 1, "nothing of it was told"
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
        hostile.loosen,
    ],
)
def test_the_kernel_refuses_what_a_module_has_no_business_with(action, module, scratch, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        (module.folder / "port").write_text(str(listener.getsockname()[1]), encoding="ascii")
        listener.settimeout(0.1)
        told = failure(seen(module, action))
        with pytest.raises(TimeoutError):
            listener.accept()
    assert "PermissionError" in told.message, told
    assert not (tmp_path / "escaped").exists()


def test_without_the_sandbox_they_would_succeed(module, scratch, tmp_path):
    assert "written" in failure(seen(module, hostile.write, sandbox="off")).message
    assert (tmp_path / "escaped").exists()
    assert "the secret" in failure(seen(module, hostile.read, sandbox="off")).message


@pytest.mark.parametrize(
    ("action", "kind", "words"),
    [
        (hostile.loop, "deadline", "its deadline of 2 s"),
        (hostile.abort, "signal", "signal 6 (SIGABRT): Check failed: ok (0 vs. 1) the end"),
        (hostile.segfault, "signal", "signal 11 (SIGSEGV)"),
        (hostile.rubbish, "protocol", "an invalid result"),
        (hostile.endless_frame, "protocol", "an invalid result"),
        (hostile.lie, "protocol", "an invalid result"),
    ],
)
def test_a_worker_that_dies_hangs_or_talks_nonsense_is_told_in_one_line(action, kind, words, module, scratch):
    told = failure(seen(module, action, timeout=2.0 if action is hostile.loop else 20.0))
    assert (told.kind, words in told.message) == (kind, True), told


def test_a_worker_that_takes_all_memory_is_stopped(module, scratch):
    told = failure(seen(module, hostile.allocate))
    assert told.kind == "memory" or "MemoryError" in told.message, told


def test_what_does_not_fit_beside_others_gets_all_the_memory_alone(module, scratch, monkeypatch):
    """A share of the memory is no verdict: the module runs again when nothing else does."""
    shares = {1: 2 * GIB, 2: GIB // 2}
    monkeypatch.setattr("hubcheck.probe.dispatch.dispatcher.fair_share", shares.__getitem__)
    options = ProbeOptions(seed=hostile.seed_of(hostile.need_much), timeout=30.0)
    with Pool(jobs=2, command=COMMAND) as pool:
        futures = [pool.submit(module, load_contracts(), options) for _ in range(3)]
        told = [failure(future.result(timeout=100)).message for future in futures]
    assert told == ["Told: had 700 MiB"] * 3


def test_an_error_of_our_own_is_no_fault_of_the_module(module, scratch):
    with Pool(jobs=1, command=COMMAND) as pool:
        options = ProbeOptions(seed=hostile.seed_of(hostile.stumble))
        with pytest.raises(ProbeError) as caught:
            pool.submit(module, load_contracts(), options).result(timeout=60)
    assert caught.value.internal


def test_a_worker_that_fills_the_disk_is_stopped(module, scratch):
    told = failure(seen(module, hostile.fill))
    assert "scratch" in told.message or "File too large" in told.message, told


def test_gigabytes_of_output_are_nobodys_business(module, scratch):
    assert "printed 2 GB" in failure(seen(module, hostile.print_much, timeout=100.0)).message


def test_control_characters_in_the_output_do_not_end_the_run(module, scratch):
    assert "printed" in failure(seen(module, hostile.print_control_characters)).message


def test_without_the_sandbox_a_process_left_behind_is_ended_all_the_same(module, scratch):
    assert "forked" in failure(seen(module, hostile.daemon, sandbox="off")).message


def test_other_modules_get_their_full_verdict(module, scratch):
    """One worker of the same pool runs wild while the next runs to its end."""
    contracts = load_contracts()
    with Pool(jobs=2, command=COMMAND) as pool:
        wild = ProbeOptions(seed=hostile.seed_of(hostile.segfault), timeout=30.0, memory=2 * GIB)
        bad = pool.submit(module, contracts, wild)
        good = pool.submit(module, contracts, ProbeOptions(timeout=60.0, memory=4 * GIB))
        assert "SIGSEGV" in failure(bad.result(timeout=100)).message
        runs = good.result(timeout=100)
    planned = plan_steps(module, contracts)
    assert {run.purpose for run in runs.runs} >= {"pictures", "plain", "alone", "swapped", "again", "repeated"}
    assert [run.failure for run in runs.runs if run.failure] == []
    assert len(runs.loads) == len(planned.variants) + 1


def test_what_protects_is_told(module, scratch):
    observations = seen(module, hostile.write)
    assert {"files (Landlock)", "network (seccomp)", "memory", "deadline"} <= set(observations.sandbox)
    assert observations.sandbox_missing == ()
    assert "files (Landlock): switched off" in seen(module, hostile.segfault, sandbox="off").sandbox_missing


def test_a_closed_pool_has_ended_its_workers(module, scratch):
    before = set(children())
    pool = Pool(jobs=1, command=COMMAND)
    (server,) = set(children()) - before
    options = ProbeOptions(seed=hostile.seed_of(hostile.loop), timeout=100.0, memory=GIB)
    future = pool.submit(module, load_contracts(), options)
    deadline = time.monotonic() + 20
    while not _children_of(server) and time.monotonic() < deadline:
        time.sleep(0.02)
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
