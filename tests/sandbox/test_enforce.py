"""Which layers are applied, and what is reported as enforced and as missing, by the mode of the policy."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hubcheck.sandbox import enforce, limits
from hubcheck.sandbox.policy import Layer, SandboxPolicy, SandboxUnavailable
from hubcheck.sandbox.privileges import NOBODY


def layer(name: str, *, lacking: str | None = None, refused: bool = False) -> Layer:
    def apply(policy: SandboxPolicy) -> Iterator[str]:
        if refused:
            raise OSError(1, "Operation not permitted")
        yield f"files ({name})"

    return Layer(name, (f"files ({name})",), lambda: lacking, apply)


@pytest.fixture(autouse=True)
def no_limits(monkeypatch):
    """Leave the limits of the test process as they are."""
    monkeypatch.setattr(limits, "apply", lambda policy: iter(["CPU time"]))


@pytest.fixture
def layers(monkeypatch):
    monkeypatch.setattr(enforce, "LAYERS", (layer("a"), layer("b", lacking="no such kernel"), layer("c", refused=True)))


def test_layers_that_the_machine_lacks_are_reported_as_missing_with_the_reason(layers):
    protections = enforce.enforce(SandboxPolicy())
    assert protections.enforced == ("CPU time", "files (a)")
    assert protections.missing == ("files (b): no such kernel", "files (c): Operation not permitted")


def test_a_required_sandbox_names_every_layer_that_is_missing(layers):
    with pytest.raises(SandboxUnavailable, match=r"^b: no such kernel; c: Operation not permitted$"):
        enforce.enforce(SandboxPolicy("required"))
    assert enforce.unavailable() == "b: no such kernel"


def test_a_required_sandbox_accepts_layers_that_the_policy_omits(layers):
    protections = enforce.enforce(SandboxPolicy("required", omit={"b": "not needed", "c": "not needed"}))
    assert protections.missing == ("files (b): not needed", "files (c): not needed")


def test_only_limits_are_enforced_if_the_sandbox_is_off(layers):
    protections = enforce.enforce(SandboxPolicy("off"))
    assert protections.enforced == ("CPU time",)
    assert protections.missing[0] == "files (a): switched off"


@pytest.mark.skipif(enforce.unavailable() is not None, reason=str(enforce.unavailable()))
def test_a_confined_process_reads_and_writes_only_what_the_policy_names(tmp_path):
    for name in ("readable", "writable", "secret"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("x", encoding="utf-8")
    code = """
import sys
import tempfile
from pathlib import Path
from hubcheck.sandbox.enforce import enforce
from hubcheck.sandbox.policy import SandboxPolicy
folder = Path(sys.argv[1])
policy = SandboxPolicy("required", read=[str(folder / "readable")], write=[str(folder / "writable")], file_bytes=10)
assert [text for text in enforce(policy).missing if not text.startswith("root user")] == []
def refused(action, *arguments):
    try:
        action(*arguments)
    except OSError as error:
        return error.strerror
(folder / "readable" / "file").read_bytes()
(folder / "writable" / "file").write_bytes(b"y" * 10)
print(refused((folder / "secret" / "file").read_bytes))
print(refused((folder / "readable" / "file").write_bytes, b"y"))
print(refused((folder / "writable" / "file").write_bytes, b"y" * 11))
print(refused(__import__("os").fork))
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    outcomes = done.stdout.splitlines()
    # By Landlock, or by bubblewrap.
    assert outcomes[:2] in (["Permission denied"] * 2, ["No such file or directory", "Read-only file system"])
    assert outcomes[2:] == ["File too large", "Operation not permitted"], done.stderr


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("mode", [0o755, 0o700])
def test_root_becomes_another_user_where_that_one_can_read_the_files_or_the_report_says_which_it_cannot(mode, tmp_path):
    code = """
import os, sys
from hubcheck.sandbox import privileges
from hubcheck.sandbox.policy import SandboxPolicy
policy = SandboxPolicy(read=[sys.argv[1]], data=[sys.argv[1]])
print("root user" in list(privileges.LAYER.apply(policy)), os.getuid(), privileges.LAYER.limitation(policy))
"""
    with tempfile.TemporaryDirectory(prefix="hubcheck-test-") as parent:
        Path(parent).chmod(0o755)
        (Path(parent) / "closed" / "module").mkdir(parents=True)
        (Path(parent) / "closed").chmod(mode)
        command = [sys.executable, "-c", code, f"{parent}/closed/module"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        changed, user, *why = done.stdout.split()
        assert (changed, int(user)) == (("True", NOBODY) if mode == 0o755 else ("False", 0))
        assert mode == 0o755 or why[-1] == f"{parent}/closed"
