"""However and whenever hubcheck ends, no process and no folder is left; however it is started, it runs once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.paths import DATA
from tests.probe.modules import tensorflow, tf1_module

GOOD = DATA / "a_good_feature_vector"


@pytest.fixture(scope="module")
def endless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A module whose calls never end."""
    tf = tensorflow()

    def function(images, kernel):
        start = tf.reduce_mean(images) * 0.0
        (turns,) = tf.while_loop(lambda n: n >= 0.0, lambda n: (tf.math.mod(n + 1.0, 7.0),), (start,))
        return tf.reduce_mean(tf.nn.conv2d(images, kernel, strides=2, padding="SAME"), axis=[1, 2]) + turns

    return tf1_module(tmp_path_factory.mktemp("endless") / "endless", function)


def start(scratch: Path, *paths: Path) -> subprocess.Popen[str]:
    scratch.mkdir()
    command = [sys.executable, "-m", "hubcheck", "validate", *map(str, paths)]
    environment = {**os.environ, "TMPDIR": str(scratch)}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def left_behind(scratch: Path) -> list[str]:
    """Return the processes that were started for this scratch folder, and its contents."""
    found = [str(path) for path in scratch.iterdir()]
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if str(scratch) in line:
                found.append(line)
    return found


def left_after(scratch: Path, *, seconds: float) -> list[str]:
    deadline = time.monotonic() + seconds
    while (found := left_behind(scratch)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


@pytest.mark.parametrize("moment", [0.2, 0.7, 2.0, 4.5])
def test_ctrl_c_leaves_nothing(moment, endless, tmp_path):
    scratch = tmp_path / "scratch"
    process = start(scratch, GOOD, endless)
    while not left_behind(scratch) and process.poll() is None:
        time.sleep(0.01)
    time.sleep(moment)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=30)
    # A server that was just being started notices on its own that hubcheck has ended.
    assert left_after(scratch, seconds=20) == []
    assert process.returncode == 130, (output, errors)
    assert "Traceback" not in errors


@pytest.mark.parametrize("moment", [1.0, 5.0])
def test_a_killed_hubcheck_leaves_nothing(moment, endless, tmp_path):
    scratch = tmp_path / "scratch"
    process = start(scratch, endless)
    time.sleep(moment)
    process.kill()
    process.communicate(timeout=30)
    assert left_after(scratch, seconds=15) == []


def test_a_server_that_is_killed_twice_is_reported_and_its_workers_end(endless, tmp_path):
    scratch = tmp_path / "scratch"
    process = start(scratch, endless)
    killed: set[int] = set()
    for _ in range(2):  # the first time, the module is tried once more
        deadline = time.monotonic() + 60
        while not (servers := _servers(process.pid) - killed) and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(4)
        killed |= servers
        os.kill(servers.pop(), signal.SIGKILL)
    output, errors = process.communicate(timeout=30)
    assert "the probe server died: killed with signal 9 (SIGKILL), by the system" in " ".join((output + errors).split())
    assert "cudart" not in output
    assert process.returncode == 3
    assert left_behind(scratch) == []


def _servers(hubcheck: int) -> set[int]:
    """Return the servers of a process: its workers, which look the same, are children of theirs."""
    found = set()
    for thread in Path(f"/proc/{hubcheck}/task").iterdir():
        try:
            pids = (thread / "children").read_text(encoding="ascii").split()
            found |= {int(pid) for pid in pids if b"server.py" in Path(f"/proc/{pid}/cmdline").read_bytes()}
        except OSError:
            continue
    return found


UNGUARDED = f"""
import threading
import hubcheck
print("once")
def work():
    report = hubcheck.validate({str(GOOD)!r}, cache=False)
    print("status", {{o.status for o in report.modules[0].outcomes if o.rule == "behaviour/runs"}}, report.exit_code)
CALLS
"""


@pytest.mark.parametrize("source", ["a file", "standard input"])
def test_a_script_without_a_main_guard_runs_once(source, tmp_path):
    """From a file, it checks in a thread as well, which starts the server that both calls use."""
    calls = "t = threading.Thread(target=work); t.start(); t.join(); " if source == "a file" else ""
    script = UNGUARDED.replace("CALLS", f"{calls}work()")
    file = tmp_path / "script.py"
    file.write_text(script, encoding="utf-8")
    arguments = [sys.executable] if source == "standard input" else [sys.executable, str(file)]
    given = script if source == "standard input" else None
    done = subprocess.run(arguments, input=given, capture_output=True, text=True, cwd=tmp_path, check=False)
    checks = 2 if source == "a file" else 1
    assert done.stdout.splitlines() == ["once", *["status {'passed'} 0"] * checks], done.stderr


def test_a_file_called_tensorflow_in_the_current_folder_is_not_imported(tmp_path):
    (tmp_path / "tensorflow.py").write_text("raise SystemExit('not me')\n", encoding="utf-8")
    command = [str(Path(sys.executable).with_name("hubcheck")), "validate", "--select", "module/loads", str(GOOD)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
