"""A module that runs native code in its worker gets nowhere: as root and as another user, whatever layers there are."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hubcheck.sandbox import bubblewrap, enforce
from hubcheck.sandbox.privileges import NOBODY
from tests.sandbox import attacks

pytestmark = pytest.mark.skipif(enforce.unavailable() is not None, reason=str(enforce.unavailable()))

NEED_FILES = {"read a file", "list a folder", "command line of the parent", "list of processes"}
"""What only Landlock or a namespace can refuse, not a filter of system calls."""

USERS = [0, NOBODY] if os.getuid() == 0 else [os.getuid()]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A module, a secret beside it, and an empty scratch folder, where every user may do everything."""
    made = Path(tempfile.mkdtemp(prefix="attacks-"))
    for name in ("module", "scratch"):
        (made / name).mkdir()
    for name in ("module/saved_model.pb", "module/spare", "module/other", "secret"):
        (made / name).write_bytes(b"as it was")
    for path in (made, *made.rglob("*")):
        path.chmod(0o777)
    yield made
    shutil.rmtree(made)


def attack(folder: Path, user: int, *prefix: str, **layers: Any) -> dict[str, Any]:
    program = [sys.executable, attacks.__file__, str(folder), str(user), json.dumps(layers)]
    done = subprocess.run([*prefix, *program], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("version", [1, 6])
def test_every_attack_is_refused_with_landlock_of_any_version(version, user, folder):
    found = attack(folder, user, mode="auto", landlock=version, bubblewrap="not here")
    assert [name for name, outcome in found["outcomes"].items() if outcome != "refused"] == []
    assert (folder / "module" / "saved_model.pb").read_bytes() == b"as it was"
    partial = {text.partition(":")[0] for text in found["missing"]} & {"TCP (Landlock)", "signals (Landlock)"}
    assert bool(partial) == (version < 6)


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("version", [0, 1, 6])
@pytest.mark.skipif(bubblewrap.trial() is not None, reason=f"bubblewrap: {bubblewrap.trial()}")
def test_every_attack_is_refused_with_bubblewrap_whatever_the_version_of_landlock(version, user, folder):
    found = attack(folder, user, mode="required", landlock=version)
    assert [name for name, outcome in found["outcomes"].items() if outcome != "refused"] == []
    assert (folder / "module" / "saved_model.pb").read_bytes() == b"as it was"
    assert {"files (namespaces)", "processes (namespaces)", "root user"} <= set(found["enforced"])


@pytest.mark.parametrize("version", [0, 1])
def test_a_required_sandbox_is_refused_without_bubblewrap_and_with_an_old_landlock(version, folder):
    with pytest.raises(AssertionError, match=r"SandboxUnavailable: bubblewrap: not here; landlock: "):
        attack(folder, os.getuid(), mode="required", landlock=version, bubblewrap="not here")
    attack(folder, os.getuid(), mode="required", landlock=6, bubblewrap="not here")


@pytest.mark.parametrize("user", USERS)
def test_without_landlock_a_worker_reads_what_its_user_may_read_and_changes_nothing(user, folder):
    found = attack(folder, user, mode="auto", landlock=0, bubblewrap="not here")
    assert {name for name, outcome in found["outcomes"].items() if outcome != "refused"} >= {"read a file"}
    worked = {name for name, outcome in found["outcomes"].items() if outcome != "refused"}
    assert worked <= NEED_FILES | {"environment of the parent"}
    assert any(text.startswith("files (Landlock): the kernel has no Landlock") for text in found["missing"])


def test_the_attacks_succeed_on_a_process_that_is_not_confined(folder):
    """Otherwise, that they are refused would say nothing. They run in namespaces, where they do no harm."""
    apart = ["unshare", "--mount", "--ipc", "--pid", "--fork", "--mount-proc"]
    if os.getuid() != 0 or shutil.which("unshare") is None or subprocess.run([*apart, "true"], check=False).returncode:
        pytest.skip("only root can make the namespaces in which the attacks do no harm")
    host = [str(Path(f"/proc/self/ns/{kind}").readlink()) for kind in attacks.NAMESPACES]
    found = attack(folder, 0, *apart, mode="off", host=host)
    kernel_may_lack = {"performance counters", "message queue", "io_uring", "page faults", "secret memory", "keys"}
    assert {name for name, outcome in found["outcomes"].items() if outcome == "refused"} <= kernel_may_lack
