"""Servers between two pools of a process: one waits, for pools like the one before, and ends with the process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hubcheck.module.reader import read
from hubcheck.probe.dispatch.kept_servers import KEPT_SERVERS
from hubcheck.probe.options import ProbeOptions
from hubcheck.probe.pool import Pool
from hubcheck.rulebook.contract import load_contracts
from hubcheck.sandbox.processes import children
from tests.paths import DATA
from tests.probe import hostile_server

GOOD = DATA / "a_good_feature_vector"


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of the servers' folders. Servers are started without TensorFlow, and none waits before or after."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    KEPT_SERVERS.close()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    monkeypatch.setattr("hubcheck.probe.dispatch.server_process._SERVER", Path(hostile_server.__file__))
    yield folder
    KEPT_SERVERS.close()
    assert list(folder.iterdir()) == []


def servers() -> set[int]:
    """Return the child processes that have not ended: a program that was just started has no command line yet."""
    return {pid for pid in children() if not has_ended(pid)}


def has_ended(pid: int) -> bool:
    return ") Z " in Path(f"/proc/{pid}/stat").read_text(encoding="ascii")


def until(condition) -> None:
    deadline = time.monotonic() + 60
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert condition()


def test_one_server_runs_modules_of_several_calls_and_ends_with_the_process(tmp_path):
    script = f"""
import os
import hubcheck
from hubcheck.sandbox.processes import children
for _ in range(2):
    report = hubcheck.validate({str(GOOD)!r}, cache=False)
    print(report.modules[0].verdict, children())
if os.fork() == 0:
    raise SystemExit  # what a process that was forked from this one does must not end the server
os.wait()
print(children())
"""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    first, second, third = done.stdout.splitlines()
    assert first == second, done.stderr
    assert first.startswith("conforms [")
    assert third == first.removeprefix("conforms ")
    assert not Path(f"/proc/{third.strip('[]')}").exists()
    assert list(tmp_path.iterdir()) == []


def test_a_server_waits_for_pools_with_the_same_sandbox_only(scratch):
    seen = []
    for sandbox in ("auto", "auto", "off", "auto"):
        with Pool(sandbox=sandbox):
            seen.append(servers())
    assert [len(pids) for pids in seen] == [1, 1, 2, 2]
    assert seen[0] == seen[1]
    assert len(servers()) == 1, "a server is kept in place of another one"
    assert not servers() & seen[0]


def test_a_server_of_pools_at_the_same_time_is_shared_by_none(scratch):
    with Pool() as one, Pool() as other:
        assert len(servers()) == 2
        assert one is not other
    assert len(servers()) == 1


def test_a_server_that_died_while_it_waited_is_not_used(scratch):
    Pool().close()
    (dead,) = servers()
    os.kill(dead, signal.SIGKILL)
    until(lambda: has_ended(dead))
    with Pool():
        assert dead not in servers()
        assert len(servers()) == 1


def test_a_server_that_waits_for_long_ends(scratch, monkeypatch):
    monkeypatch.setattr("hubcheck.probe.dispatch.server_process._REST_SECONDS", 0.1)
    Pool().close()
    until(lambda: list(scratch.iterdir()) == [])
    with Pool():
        assert len(list(scratch.iterdir())) == 1


def test_a_server_whose_worker_runs_when_its_pool_ends_is_ended(scratch):
    pool = Pool(jobs=1)
    (server,) = servers()
    pool.submit(read(GOOD), load_contracts(), ProbeOptions(seed=hostile_server.seed_of(hostile_server.loop)))
    until(lambda: list(scratch.glob("*/[0-9]*")))
    until(lambda: children(server))
    pool.close()
    assert servers() == set()
