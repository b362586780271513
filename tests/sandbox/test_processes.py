"""What is known of the processes below another one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hubcheck.sandbox import bubblewrap
from hubcheck.sandbox.processes import scratch_apart


@pytest.mark.skipif(bubblewrap.trial() is not None, reason=f"bubblewrap: {bubblewrap.trial()}")
@pytest.mark.parametrize(
    ("mount", "expected"), [(["--dev-bind", "/", "/"], 0), (["--dev-bind", "/", "/", "--tmpfs", "{folder}"], 3)]
)
def test_files_of_this_machine_are_not_files_of_a_sandbox_that_is_still_starting(mount, expected, tmp_path: Path):
    """Bubblewrap's process sees the root of this machine until it has mounted its own."""
    script = f"touch {tmp_path}/a {tmp_path}/b; echo ready; read line"
    command = ["bwrap", "--unshare-pid", *(part.format(folder=tmp_path) for part in mount), "sh", "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        assert scratch_apart(process.pid, tmp_path).files == expected


ENDING = """
import ctypes, os, signal, subprocess
from hubcheck.sandbox.processes import PR_SET_CHILD_SUBREAPER, children, kill_children, prctl

prctl(PR_SET_CHILD_SUBREAPER, 1)
pipe = subprocess.PIPE
with subprocess.Popen(["bwrap", "--unshare-pid", "--dev-bind", "/", "/", "cat"], stdin=pipe, stdout=pipe) as bwrap:
    os.write(bwrap.stdin.fileno(), b"!")
    os.read(bwrap.stdout.fileno(), 1)
    (first,) = children(bwrap.pid)
    ready, started = os.pipe()
    outside = os.fork()
    if outside == 0:  # a process in the namespace whose parent is not
        ctypes.CDLL(None).setns(os.pidfd_open(first), 0x20000000)
        if os.fork() != 0:
            os.write(started, b"!")
        signal.pause()
    os.read(ready, 1)
    bwrap.kill()
    bwrap.wait()
    kill_children(set())
print(children())
"""


@pytest.mark.skipif(bubblewrap.trial() is not None, reason=f"bubblewrap: {bubblewrap.trial()}")
def test_a_process_in_a_namespace_that_becomes_a_child_meanwhile_is_waited_for():
    """Until then, the first process of the namespace does not end."""
    command = [sys.executable, "-c", ENDING]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")
