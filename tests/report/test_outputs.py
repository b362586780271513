"""--output: the format of a file, files that are refused, and several files in one run."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from xml.etree import ElementTree

import pytest

from hubcheck.report.formats import UnknownFormat, output
from tests.paths import ROOT


@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("r.sarif", "sarif"),
        ("r.sarif.json", "sarif"),
        ("r.json", "json"),
        ("r.xml", "junit"),
        ("gl-code-quality-report.json", "gitlab"),
        ("r.md", "markdown"),
        ("r.txt", "text"),
        ("github=r.json", "github"),
    ],
)
def test_the_format_is_inferred_from_the_suffix(name, format, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert output(name).format == format


@pytest.mark.parametrize("name", ["report", "report.doc", "no/such/folder/r.json", "yaml=r", "json=."])
def test_a_file_that_cannot_be_written_is_refused_before_anything_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnknownFormat):
        output(name)


def test_several_files_are_written_in_one_run(tmp_path):
    shutil.copytree(ROOT / "tests" / "data" / "e_fixed_batch_1", tmp_path / "m")
    outputs = ["--output", "a.sarif", "--output", "b.xml", "--output", "markdown=summary", "--output", "c.json"]
    command = [sys.executable, "-m", "hubcheck", "validate", "--static", "m", *outputs]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith("✗ m  ")
    assert "\nwritten    a.sarif, b.xml, summary, c.json\n" in done.stdout
    assert json.loads((tmp_path / "a.sarif").read_text())["version"] == "2.1.0"
    assert ElementTree.parse(tmp_path / "b.xml").getroot().tag == "testsuites"
    assert "❌ failed" in (tmp_path / "summary").read_text()
    assert json.loads((tmp_path / "c.json").read_text())["exit_code"] == 1
