"""What is published works: the wheel, in an empty environment, from another folder."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import venv
import zipfile

import pytest

from tests.paths import DATA

GOOD = DATA / "a_good_feature_vector"


@pytest.fixture(scope="module")
def home(wheel, tmp_path_factory):
    """An environment with nothing but the wheel and what it needs."""
    home = tmp_path_factory.mktemp("wheel") / "venv"
    venv.create(home)
    subprocess.run([*pip(home), "install", "--quiet", str(wheel)], check=True)
    return home


def pip(home):
    return [sys.executable, "-m", "pip", "--python", str(home / "bin" / "python")]


def test_rules_and_fixtures_ship_in_the_wheel(wheel):
    assert wheel.name.endswith("-py3-none-any.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for name in ("rules/image-input/name.toml", "rules/signatures/image_feature_vector.toml", "rules/README.md"):
        assert f"hubcheck/data/{name}" in names
    assert "hubcheck/data/fixtures/image-input/batch-size/bad.py" in names
    assert {"hubcheck/py.typed", "hubcheck/report/templates/page.html.j2"} <= set(names)
    assert not [name for name in names if name.startswith("tests/")]


def test_the_wheel_validates_from_another_folder(wheel, home, tmp_path):
    shutil.copytree(GOOD, tmp_path / "elsewhere" / "m")
    page = tmp_path / "page.html"
    command = [home / "bin" / "hubcheck", "validate", "--static", "--format", "json", "--output", page, "m"]
    done = subprocess.run(command, cwd=tmp_path / "elsewhere", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["modules"][0]["verdict"] == "conforms"
    assert ": from images to " in page.read_text(encoding="utf-8")
    explained = subprocess.run(
        [home / "bin" / "hubcheck", "explain", "image-input/name"], capture_output=True, text=True, check=True
    )
    assert "bad.py" in explained.stdout
    command = [home / "bin" / "hubcheck", "new", "flowers", "--install-from", wheel]
    subprocess.run(command, cwd=tmp_path, check=True)
    command = [*pip(home), "install", "--dry-run", "--no-deps", "--force-reinstall", "-r", "requirements.txt"]
    done = subprocess.run(command, cwd=tmp_path / "flowers", capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "Would install hubcheck-" in done.stdout, done.stdout + done.stderr


def test_without_tensorflow_the_verdict_is_incomplete_and_says_so(home):
    done = subprocess.run(
        [home / "bin" / "hubcheck", "validate", str(GOOD)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 3, done.stdout + done.stderr
    assert "incomplete" in done.stdout
    assert "TensorFlow" in done.stdout
