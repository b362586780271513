"""A project that publishes modules, from an empty folder: wheel, authoring, pytest, reports and configuration."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.paths import ROOT

CONFIG = """
[tool.hubcheck]
baseline = "known.json"

[tool.hubcheck.scripts]
"exports/tiny" = "publish.py"

[[tool.hubcheck.ignore]]
rules = ["module/duplicate-weights", "output/key-prefix"]
path = "exports/old"
reason = "is kept as it was published"
"""


def run(folder: Path, *command: object, code: int = 0) -> str:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "PYTHONPATH"))}
    environment["TF_CPP_MIN_LOG_LEVEL"] = "3"
    done = subprocess.run(
        list(map(str, command)), cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a new environment that has the wheel; TensorFlow is lent from the one of this test."""
    folder = tmp_path_factory.mktemp("publisher")
    venv.create(folder / "venv")
    (site,) = (folder / "venv" / "lib").glob("python*/site-packages")
    lent = sysconfig.get_paths()["purelib"]
    # Last in the path, so that the wheel goes before the checkout that this test runs from.
    (site / "lent.pth").write_text(f"import site; site.addsitedir({lent!r})\n", encoding="utf-8")
    programs = folder / "venv" / "bin"
    install = ("-m", "pip", "--python", programs / "python", "install", "--quiet", f"{wheel}[tensorflow]")
    run(folder, sys.executable, *install)
    home = run(folder, programs / "python", "-c", "import hubcheck; print(hubcheck.__file__)")
    assert str(folder) in home
    return programs


def test_a_project_from_nothing(programs: Path, fixture_module: Callable[[str], Path], tmp_path: Path) -> None:
    shutil.copy(ROOT / "examples" / "publish.py", tmp_path / "publish.py")
    (tmp_path / "exports").mkdir()
    python, hubcheck = programs / "python", programs / "hubcheck"

    # Author: what is written conforms.
    run(tmp_path, python, "publish.py", "exports/tiny")
    passed = run(tmp_path, python, "-m", "pytest", "-q", "--hubcheck", "exports")
    assert "failed" not in passed

    # A module of before hubcheck: it fails, everywhere in the same words.
    shutil.copytree(fixture_module("image-input/batch-size/bad"), tmp_path / "exports" / "old")
    words = "so only batches of"
    tests = (python, "-m", "pytest", "-q", "--hubcheck", "exports", "--hubcheck-static")
    assert words in run(tmp_path, *tests, code=1)
    log = json.loads(run(tmp_path, hubcheck, "validate", "--static", "exports", "--format", "sarif", code=1))
    (result,) = [result for result in log["runs"][0]["results"] if result["level"] == "error"]
    assert (result["ruleId"], words in result["message"]["text"]) == ("image-input/batch-size", True)

    # It is out there already: known, ignored with a reason, and no reason to fail.
    (tmp_path / "pyproject.toml").write_text(CONFIG, encoding="utf-8")
    run(tmp_path, hubcheck, "validate", "--static", "exports", "--update-baseline")
    assert "known in known.json" in run(tmp_path, hubcheck, "validate", "--static", "exports")
    log = json.loads(run(tmp_path, hubcheck, "validate", "--static", "exports", "--format", "sarif"))
    assert all("suppressions" in result for result in log["runs"][0]["results"] if result["level"] == "error")
    assert "known in known.json" in run(tmp_path, *tests, "-rs")
