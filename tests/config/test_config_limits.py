"""Every limit is a key of the configuration, and reaches whatever reads a module."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hubcheck.config.file import read_config
from hubcheck.module.limits import ReadLimits
from hubcheck.util.data_files import DataFileError
from tests.paths import DATA, ROOT


def test_every_limit_is_in_the_schema_with_its_default() -> None:
    schema = json.loads((ROOT / "rules" / "schema" / "config.schema.json").read_text(encoding="utf-8"))
    stated = schema["properties"]["limits"]["properties"]
    ours = {field.name.replace("_", "-"): field.default for field in dataclasses.fields(ReadLimits)}
    assert {name: entry["default"] for name, entry in stated.items() if "default" in entry} == ours
    assert set(stated) - set(ours) == {"timeout", "memory-mb"}


@pytest.mark.parametrize("field", dataclasses.fields(ReadLimits), ids=lambda field: field.name)
def test_every_limit_is_read(tmp_path: Path, field: dataclasses.Field[int]) -> None:
    key = field.name.replace("_", "-")
    (tmp_path / "hubcheck.toml").write_text(f"[limits]\n{key} = 7\n", encoding="utf-8")
    assert read_config(tmp_path / "hubcheck.toml").limits == dataclasses.replace(ReadLimits(), **{field.name: 7})


@pytest.mark.parametrize("key", ["proto-fields", "archive-members", "function-depth"])
def test_a_limit_that_was_removed_is_refused_by_name(tmp_path: Path, key: str) -> None:
    (tmp_path / "hubcheck.toml").write_text(f"[limits]\n{key} = 7\n", encoding="utf-8")
    with pytest.raises(DataFileError, match=f"limits.{key}: no such key"):
        read_config(tmp_path / "hubcheck.toml")


@pytest.mark.parametrize("line", ["nodes = 0", "nodes = 1.5", "proto-bytes = 2147483648", 'files = "many"'])
def test_an_invalid_limit_is_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "hubcheck.toml").write_text(f"[limits]\n{line}\n", encoding="utf-8")
    with pytest.raises(DataFileError, match=r"limits\."):
        read_config(tmp_path / "hubcheck.toml")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A checkout with modules that have more nodes, and an archive that has more members, than its limits allow."""
    (tmp_path / "hubcheck.toml").write_text("[limits]\nnodes = 20\nfiles = 4\n", encoding="utf-8")
    for number in range(3):
        shutil.copytree(DATA / "a_good_feature_vector", tmp_path / "exports" / f"m{number}")
    shutil.make_archive(str(tmp_path / "exports" / "packed"), "zip", DATA / "a_good_feature_vector")
    return tmp_path


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_validate_keeps_the_limits_in_every_process(project: Path, jobs: str) -> None:
    done = run(project, "hubcheck", "validate", "--static", "--format", "json", "--jobs", jobs, "exports")
    reports = json.loads(done.stdout)["modules"]
    messages = {Path(report["path"]).name: report["findings"][0]["message"] for report in reports}
    assert len(messages) == 4
    assert messages.pop("packed.zip").endswith("the limit files")
    assert all(message.endswith("the limit nodes") for message in messages.values()), messages


def test_show_and_diff_keep_the_limits(project: Path) -> None:
    assert "the limit nodes" in run(project, "hubcheck", "show", "exports/m0").stdout
    assert "the limit nodes" in run(project, "hubcheck", "diff", "--static", "exports/m0", "exports/m1").stderr


def test_the_pytest_plugin_keeps_the_limits(project: Path) -> None:
    done = run(project, "pytest", "-q", "--hubcheck", "exports/m0", "--hubcheck-static", "-k", "readable", "exports/m0")
    assert done.returncode == 1, done.stdout
    assert "the limit nodes" in done.stdout


def test_a_raised_limit_is_not_hit_any_more(project: Path) -> None:
    (project / "hubcheck.toml").write_text("[limits]\nnodes = 2_000\n", encoding="utf-8")
    assert run(project, "hubcheck", "validate", "--static", "exports/m0").returncode == 0
