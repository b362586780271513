"""What many tests share."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.paths import DATA, ROOT, SHARED
from tests.publishing import exclusive, published_once, scripts

# The checkout's own TensorFlow tells things at import that no test is about.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# The same examples in every run, and no judgement by the clock: machines that run the tests are busy.
settings.register_profile("suite", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")
gc.set_threshold(50_000)

LONG = (
    "author/test_fix_fixtures.py",
    "test_fixtures.py",
    "docs/test_examples.py",
    "probe/test_attacked_runs.py",
    "author/test_families.py",
    "run/test_dask_cluster.py",
    "checks/test_applications.py",
    "testing/test_plugin.py",
)
"""Files that take a minute or more. They run first, so that none of them is left to one process at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    folder = Path(__file__).parent
    items.sort(key=lambda item: item.path.relative_to(folder).as_posix() not in LONG)


@pytest.fixture(scope="module", autouse=True)
def visited_once() -> Iterator[None]:
    """No garbage collection visits what earlier files of tests have left: graphs and classes of TensorFlow."""
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def no_cache_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Reports of earlier runs answer for no test, and no test leaves any."""
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["XDG_CACHE_HOME"]
    else:
        os.environ["XDG_CACHE_HOME"] = before


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
def wheel(common_tmp: Path) -> Path:
    """The wheel of this checkout."""
    folder = common_tmp / "wheel"
    with exclusive(folder):
        if not list(folder.glob("*.whl")):
            command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(ROOT)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
    return next(folder.glob("hubcheck-*.whl"))


@pytest.fixture(scope="session")
def fixture_module(common_tmp: Path) -> Callable[[str], Path]:
    """`fixture_module("output/rank/good")` is the module that this fixture script publishes: to read, not to change."""
    known = {script.id: script for script in scripts()}

    def build(name: str) -> Path:
        return published_once(known[name], common_tmp / "fixtures")

    return build
