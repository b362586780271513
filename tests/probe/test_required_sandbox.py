"""A worker that cannot be confined as required runs nothing, and says why; modules from servers require it."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from hubcheck.module.reader import read
from hubcheck.module.types import Module
from hubcheck.module.uri import parse_source
from hubcheck.probe.observations import Observations
from hubcheck.probe.options import ProbeOptions
from hubcheck.probe.pool import Pool, ProbeError
from hubcheck.rulebook.contract import load_contracts
from hubcheck.sandbox import bubblewrap, enforce, landlock
from hubcheck.sandbox.policy import Mode, SandboxUnavailable
from tests.paths import DATA, ROOT
from tests.probe import hostile_server as hostile

WEAK = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from hubcheck.sandbox import bubblewrap, landlock
bubblewrap.trial = lambda: "not here"
landlock.version = lambda: int(sys.argv[1])
from hubcheck.probe.worker import server
from tests.probe import hostile_server
server.main(sys.argv[2:], hostile_server.work)
"""

pytestmark = pytest.mark.skipif(enforce.unavailable() is not None, reason=str(enforce.unavailable()))


@pytest.fixture
def module(tmp_path: Path) -> Module:
    (tmp_path / "secret").write_text("the secret", encoding="utf-8")
    return replace(read(DATA / "a_good_feature_vector"))


def run(module: Module, *, version: int, sandbox: Mode | None) -> Observations:
    """Run a module that starts a program, without bubblewrap and with a version of Landlock."""
    command = [sys.executable, "-c", WEAK, str(version)]
    options = ProbeOptions(seed=hostile.seed_of(hostile.execute), timeout=20.0)
    with Pool(jobs=1, command=command, sandbox=sandbox) as pool:
        return pool.submit(module, load_contracts(), options).result(timeout=60)


@pytest.mark.parametrize("version", [0, 1, 5])
def test_a_required_sandbox_needs_bubblewrap_or_landlock_6(version, module):
    with pytest.raises(ProbeError, match=r"--sandbox required, .*: bubblewrap: not here; landlock: ") as caught:
        run(module, version=version, sandbox="required")
    assert not caught.value.internal


def test_a_module_from_a_server_requires_it_unless_told_otherwise(module):
    remote = replace(module, path=parse_source("https://example.com/m"))
    with pytest.raises(ProbeError, match="--sandbox required"):
        run(remote, version=1, sandbox=None)
    assert run(remote, version=1, sandbox="auto").loads
    assert run(module, version=1, sandbox=None).loads


def test_landlock_6_suffices(module):
    if landlock.version() < 6:
        pytest.skip(f"this kernel has Landlock {landlock.version()}")
    observed = run(module, version=6, sandbox="required")
    assert observed.loads
    assert "files (namespaces): not here" in observed.sandbox_missing


def test_without_either_the_pool_does_not_start(monkeypatch):
    monkeypatch.setattr(bubblewrap, "trial", lambda: "not here")
    monkeypatch.setattr(landlock, "version", lambda: 5)
    with pytest.raises(SandboxUnavailable, match=r"^landlock: .*; bubblewrap: not here$"):
        Pool(sandbox="required")
