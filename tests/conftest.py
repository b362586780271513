"""What many tests share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.paths import DATA, SHARED
from tests.publishing import alone, published, scripts

# The checkout's own TensorFlow tells things at import that no test is about.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@pytest.fixture(scope="session")
def shared_modules() -> Path:
    """The folder of other projects' modules, which is not part of this repository."""
    if not SHARED.is_dir():
        pytest.skip(f"the sample modules are not at {SHARED}")
    return SHARED


@pytest.fixture(scope="session")
def data() -> Path:
    """The modules kept as files."""
    return DATA


@pytest.fixture(scope="session")
def common_tmp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all processes of a test run."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(scope="session")
def fixture_module(common_tmp: Path) -> Callable[[str], Path]:
    """`fixture_module("output/rank/good")` is the module that this fixture script publishes: to read, not to change."""
    known = {script.id: script for script in scripts()}

    def build(name: str) -> Path:
        folder = common_tmp / "fixtures"
        with alone(folder):
            return published(known[name], folder)

    return build
