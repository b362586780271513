"""A path without a module is an error of one sentence, before anything runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import hubcheck
from tests.paths import DATA


def no_module(folder: Path) -> dict[str, Path]:
    """Paths at which there is no module at all."""
    (folder / "empty").mkdir()
    (folder / "notes").mkdir()
    (folder / "notes" / "notes.txt").write_text("a")
    (folder / "weights").mkdir()
    (folder / "weights" / "variables.index").write_bytes(b"")
    os.mkfifo(folder / "pipe")
    return {
        "missing": folder / "missing",
        "empty folder": folder / "empty",
        "other files": folder / "notes",
        "a file": folder / "notes" / "notes.txt",
        "weights alone": folder / "weights",
        "a pipe": folder / "pipe",
        "a device": Path("/dev/null"),
        "a long name": folder / ("x" * 5000),
        "a zero byte": Path(f"{folder}/x\0y"),
    }


def test_a_path_without_a_module_is_an_error_before_anything_runs(tmp_path: Path) -> None:
    for name, path in no_module(tmp_path).items():
        with pytest.raises(hubcheck.NotAModule) as refused:
            hubcheck.validate([DATA / "a_good_feature_vector", path])
        assert str(refused.value).isprintable(), name


def test_control_characters_in_a_path_are_escaped(tmp_path: Path) -> None:
    module = Path(shutil.copytree(DATA / "a_good_feature_vector", tmp_path / "\x1b[2Jgone"))
    command = [sys.executable, "-m", "hubcheck", "validate", "--static", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "\x1b[2J" not in done.stdout
    assert hubcheck.validate(module, static=True).modules[0].path == str(module)


@pytest.mark.parametrize("name", ["missing", "empty folder", "a file", "a pipe"])
def test_the_command_line_exits_with_2_where_there_is_no_module(name: str, tmp_path: Path) -> None:
    path = no_module(tmp_path)[name]
    command = [sys.executable, "-m", "hubcheck", "validate", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("Error: ")
    assert "Traceback" not in done.stderr
