"""What is known of the processes below another one."""

from __future__ import annotations

import subprocess
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
