"""What the worker of a module may do, by its device."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import hubcheck
from hubcheck.module.module_files import LinkedFile
from hubcheck.probe import devices
from hubcheck.probe.worker.permissions import policy_for
from hubcheck.sandbox import bubblewrap, enforce
from tests.paths import DATA

MODULE = str(DATA / "a_good_feature_vector")
SYSTEM_CALLS = "system calls (seccomp)"


def test_a_worker_may_write_only_to_its_scratch_folder(tmp_path):
    policy = policy_for(MODULE, (), tmp_path, "cpu", mode="auto", timeout=10, memory=1 << 30)
    assert set(policy.write) == {str(tmp_path), "/dev/null"}
    assert MODULE in policy.read
    assert (policy.devices, policy.omit, policy.data_bytes) == ((), {}, 1 << 30)


def test_targets_of_links_in_a_module_are_readable_only_if_they_are_its_linked_files(tmp_path):
    for name in ("file", "other", "module"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "weights").write_bytes(b"")
    linked = LinkedFile.of(str(tmp_path / "file" / "weights"), (tmp_path / "file" / "weights").stat())
    (tmp_path / "module" / "a").symlink_to(tmp_path / "file" / "weights")
    (tmp_path / "module" / "b").symlink_to(tmp_path / "other" / "weights")
    policy = policy_for(str(tmp_path / "module"), [linked], tmp_path, "cpu", mode="auto", timeout=10, memory=1 << 30)
    assert str(tmp_path / "file" / "weights") in policy.read
    assert str(tmp_path / "other" / "weights") not in policy.read


@pytest.mark.skipif(enforce.unavailable() is not None, reason=str(enforce.unavailable()))
def test_a_required_sandbox_leaves_out_only_what_the_driver_of_a_gpu_needs(tmp_path):
    code = """
import sys
from pathlib import Path
from hubcheck.probe import devices
from hubcheck.probe.worker.permissions import policy_for
from hubcheck.sandbox.enforce import enforce
policy = policy_for(sys.argv[1], (), Path(sys.argv[2]), "gpu", mode="required", timeout=10, memory=1 << 30)
protections = enforce(policy)
missing = {name.partition(":")[0] for name in protections.missing} - {"root user"}
print("files (Landlock)" in protections.enforced, sorted(missing))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, MODULE, str(tmp_path)], capture_output=True, text=True, check=False
    )
    if bubblewrap.LAYER.unavailable() is not None:
        assert "landlock: a GPU's driver needs local sockets" in done.stderr
        return
    assert done.stdout.strip() == f"True {[SYSTEM_CALLS]}", done.stderr


LISTENER = """
import os, socket, sys
from pathlib import Path
from hubcheck.probe.worker.permissions import policy_for
from hubcheck.sandbox import bubblewrap, enforce
bubblewrap.trial = lambda: "not here"
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1] + "/socket")
listener.listen()
if os.fork() != 0:
    sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
enforce.enforce(policy_for(sys.argv[1], (), Path(sys.argv[1]), "gpu", mode=sys.argv[2], timeout=10, memory=1 << 30))
socket.socket(socket.AF_UNIX).connect(sys.argv[1] + "/socket")
print("connected")
"""


@pytest.mark.skipif(enforce.unavailable() is not None, reason=str(enforce.unavailable()))
def test_a_required_sandbox_is_refused_where_a_worker_on_a_gpu_could_reach_sockets_of_other_programs(tmp_path):
    def run(mode):
        command = [sys.executable, "-c", LISTENER, str(Path(tempfile.mkdtemp(dir=tmp_path))), mode]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")

    assert run("auto").stdout == "connected\n"
    assert "landlock: a GPU's driver needs local sockets" in run("required").stderr


@pytest.mark.gpu
@pytest.mark.skipif(devices.no_gpu() is not None, reason=str(devices.no_gpu()))
def test_a_module_runs_on_a_gpu_in_the_sandbox():
    (module,) = hubcheck.validate(MODULE, device="all", cache=False).modules
    assert [(device.name, device.ran) for device in module.devices] == [("cpu", True), ("gpu", True)]
    statuses = {outcome.rule: outcome.status for outcome in module.outcomes}
    assert (statuses["device/gpu"], statuses["device/agreement"]) == ("passed", "passed")
    assert "files (Landlock)" in module.protections
    assert [protection.partition(":")[0] for protection in module.missing_protections] == [SYSTEM_CALLS]
