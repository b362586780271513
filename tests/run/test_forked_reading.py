"""A process without threads reads costly modules in a fork of itself, which ends whenever it is no longer wanted."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.paths import DATA
from tests.run.test_bounded_reading import bomb

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="forks on Linux alone")]

GOOD = DATA / "a_good_feature_vector"
SCRIPT = """
import subprocess, sys, threading
import hubcheck
if sys.argv[2] == "thread":
    threading.Thread(target=threading.Event().wait, daemon=True).start()
started = []
class Popen(subprocess.Popen):
    def __init__(self, *arguments, **options):
        started.append(arguments)
        super().__init__(*arguments, **options)
subprocess.Popen = Popen
report = hubcheck.validate(sys.argv[1], static=True, cache=False)
print(report.exit_code, len(started), len(report.modules[0].outcomes))
"""


@pytest.mark.parametrize(("threads", "processes"), [("none", 0), ("thread", 1)])
def test_a_process_with_threads_is_not_forked(threads: str, processes: int, tmp_path: Path) -> None:
    archive = shutil.make_archive(str(tmp_path / "good"), "gztar", GOOD)
    done = subprocess.run([sys.executable, "-c", SCRIPT, archive, threads], capture_output=True, text=True, check=True)
    code, started, outcomes = map(int, done.stdout.split())
    assert (code, started) == (0, processes)
    assert outcomes > 40


def test_a_fork_that_takes_too_long_or_too_much_ends(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hubcheck", "validate", "--static", "--no-cache", str(bomb(tmp_path))]
    done = subprocess.run([*command, "--timeout", "0.5"], capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "reading it takes more than 0.5 s" in " ".join(done.stdout.split())


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_a_fork_ends_with_the_process_and_leaves_nothing(number: signal.Signals, code: int, tmp_path: Path) -> None:
    archive, scratch = bomb(tmp_path), tmp_path / "scratch"
    scratch.mkdir()
    command = [sys.executable, "-m", "hubcheck", "validate", "--static", "--no-cache", str(archive)]
    process = subprocess.Popen(command, env={**os.environ, "TMPDIR": str(scratch)}, stderr=subprocess.PIPE, text=True)
    while not any(scratch.iterdir()):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == code
    assert "Traceback" not in errors
    deadline = time.monotonic() + 20
    while any(scratch.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(scratch.iterdir())
