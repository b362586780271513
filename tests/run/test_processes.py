"""Several processes make the same reports in the same order as one, even when some of them die."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from hubcheck.engine.module_report import ModuleReport
from hubcheck.run.options import Options
from hubcheck.run.resolved import resolve
from hubcheck.run.validate import process_count, stream
from tests.run.conftest import STATIC, comparable, until

pytestmark = pytest.mark.slow


def children(pid: int | None = None) -> list[int]:
    command = ["pgrep", "-P", str(pid or os.getpid()), "-f", "hubcheck.run.worker"]
    found = subprocess.run(command, capture_output=True, check=False)
    return [int(pid) for pid in found.stdout.split()]


def test_several_processes_report_the_same_as_one(hub: list[Path], alone: list[ModuleReport]) -> None:
    options = replace(STATIC, jobs=2)
    assert comparable(stream(hub, resolve(options))) == alone
    assert children() == []


def test_killed_processes_neither_lose_nor_repeat_reports(hub: list[Path], alone: list[ModuleReport]) -> None:
    options = replace(STATIC, jobs=2)
    killed = []

    def kill(count: int) -> None:
        if count in (3, 15):
            killed.append(next(pid for pid in children() if pid not in killed))
            os.kill(killed[-1], signal.SIGKILL)

    assert comparable(stream(hub, resolve(options)), kill) == alone
    assert len(killed) == 2


def test_a_module_that_kills_its_process_is_reported_and_the_others_are_checked(hub: list[Path], deadly: Path) -> None:
    options = replace(STATIC, jobs=2, rules=(deadly,))
    reports = list(stream(hub[:5], resolve(options)))
    assert [report.path for report in reports] == [str(path) for path in hub[:5]]
    assert [report.count("broken") for report in reports] == [0, 1, 0, 0, 0]
    assert "died twice" in next(o.reason or "" for o in reports[1].outcomes if o.status == "broken")


def test_leaving_early_leaves_no_process(hub: list[Path]) -> None:
    options = replace(STATIC, jobs=2)
    running = stream(hub, resolve(options))
    next(running)
    assert children()
    running.close()  # type: ignore[attr-defined]
    assert children() == []


def test_ctrl_c_keeps_what_was_done(hub: list[Path]) -> None:
    command = [
        sys.executable,
        "-m",
        "hubcheck",
        "validate",
        "--static",
        "--no-cache",
        "--jobs",
        "2",
        str(hub[0].parent),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
    assert "m000" in first
    assert process.returncode in (130, 1)
    assert "interrupted" in rest or process.returncode == 1


def test_a_few_modules_are_checked_by_this_process() -> None:
    assert process_count(Options(static=True), 3) == 1
    assert process_count(Options(static=True, jobs=4), 3) == 3
    assert process_count(Options(), 1000) == 1


def test_reports_that_wait_for_their_turn_survive_a_kill(hub: list[Path], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hubcheck", "validate", "--static", "--jobs", "2", str(hub[0].parent)]
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}

    def kept() -> int:
        return len(list((tmp_path / "hubcheck" / "reports").glob("??/*")))

    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment) as process:
        until(lambda: len(children(process.pid)) == 2, "there are no two workers")
        # One of the first two modules is not finished, and all reports after it wait.
        stopped = children(process.pid)[0]
        os.kill(stopped, signal.SIGSTOP)
        until(lambda: kept() >= 10, "nothing is kept")
        process.kill()
    os.kill(stopped, signal.SIGCONT)
    again = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert int(re.search(r"^\d+ modules \((\d+) cached\)", again.stdout, re.MULTILINE)[1]) >= 10  # type: ignore[index]
