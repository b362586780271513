"""Modules that cost more to read than their size tells: each gets a verdict in time, and the run goes on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import hubcheck
from hubcheck.engine.findings import Finding
from hubcheck.engine.module_report import ModuleReport
from hubcheck.probe.options import ProbeOptions
from hubcheck.run.bounded_reading import is_costly
from tests.paths import DATA

GOOD = DATA / "a_good_feature_vector"
MIB = 1 << 20


def long_text(folder: Path) -> Path:
    """Write a text proto that takes half a minute to parse."""
    module = folder / "text"
    shutil.copytree(GOOD, module)
    (module / "saved_model.pb").unlink()
    node = 'node { name: "n" op: "NoOp" attr { key: "a" value { list { i: 1 i: 2 i: 3 i: 4 i: 5 i: 6 } } } }\n'
    (module / "saved_model.pbtxt").write_text("meta_graphs { graph_def {\n" + node * 200_000 + "} }\n")
    return module


def bomb(folder: Path) -> Path:
    """Write a small archive that takes seconds to unpack."""
    archive = folder / "bomb.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
        for file in sorted(path for path in GOOD.rglob("*") if path.is_file()):
            packed.write(file, file.relative_to(GOOD))
        for number in range(900):
            packed.writestr(f"assets/zeros-{number}", bytes(MIB))
    return archive


def archive_of(module: Path, folder: Path) -> Path:
    return Path(shutil.make_archive(str(folder / "module"), "gztar", module)).rename(folder / "module.tgz")


def incomplete_reason(report: ModuleReport) -> str:
    assert report.verdict == "incomplete"
    (reason,) = {outcome.reason for outcome in report.outcomes if not outcome.complete}
    return str(reason)


@pytest.mark.slow
@pytest.mark.parametrize("costly", [long_text, bomb])
@pytest.mark.parametrize("static", [True, False])
def test_reading_ends_at_the_deadline_and_the_next_module_is_checked(
    costly: Callable[[Path], Path], static: bool, tmp_path: Path
) -> None:
    paths = [costly(tmp_path), GOOD] if static else [costly(tmp_path)]
    begin = time.monotonic()
    first, *others = hubcheck.validate(paths, static=static, probe=ProbeOptions(timeout=0.7)).modules
    assert time.monotonic() - begin < 20
    assert "takes more than 0.7 s" in incomplete_reason(first)
    assert "--timeout" in incomplete_reason(first)
    assert [report.verdict for report in others] == ["conforms"] * len(others)


@pytest.mark.slow
def test_reading_ends_at_the_memory_limit(tmp_path: Path) -> None:
    report = hubcheck.validate(long_text(tmp_path), static=True, probe=ProbeOptions(memory=100 * MIB)).modules[0]
    assert "takes more than 100 MB of memory" in incomplete_reason(report)
    assert "memory-mb" in incomplete_reason(report)


@pytest.mark.parametrize("uri", ["memory://costly/{name}", "zip://text::memory://costly/{name}.zip", "file://{path}"])
def test_what_is_downloaded_is_read_within_the_bounds_too(uri: str, tmp_path: Path) -> None:
    files = pytest.importorskip("fsspec").filesystem("memory")
    text = long_text(tmp_path)
    files.put(f"{text}/", "/costly/text/", recursive=True)
    packed = shutil.make_archive(str(tmp_path / "text"), "zip", tmp_path, "text")
    files.put(packed, "/costly/text.zip")
    where, hurried = uri.format(name="text", path=text), ProbeOptions(timeout=0.7)
    report = hubcheck.validate(where, static=True, probe=hurried, cache=False).modules[0]
    assert "reading it takes more than 0.7 s" in incomplete_reason(report)


def test_reports_are_the_same_whichever_process_reads(tmp_path: Path) -> None:
    for name in ("a_good_feature_vector", "c_dropout_on_features_train"):
        folder = hubcheck.validate(DATA / name, static=True).modules[0]
        packed = hubcheck.validate(archive_of(DATA / name, tmp_path), static=True).modules[0]
        assert is_costly(tmp_path / "module.tgz")
        assert not is_costly(DATA / name)
        assert [*map(_without_path, packed.findings)] == [*map(_without_path, folder.findings)]
        assert packed.verdict == folder.verdict


def test_a_script_without_a_main_guard_is_not_run_again(tmp_path: Path) -> None:
    archive_of(GOOD, tmp_path)
    script = tmp_path / "script.py"
    script.write_text(
        "import hubcheck\nprint('begins')\nprint(hubcheck.validate('module.tgz', static=True).exit_code)\n"
    )
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["begins", "0"]


def test_a_small_module_is_read_without_another_process(tmp_path: Path) -> None:
    code = f"""
import subprocess, sys
import hubcheck
subprocess.Popen = None
print(hubcheck.validate({os.fspath(GOOD)!r}, static=True).exit_code, 'hubcheck.run.processes' in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "False"]


def _without_path(finding: Finding) -> Finding:
    return replace(finding, fix_command="")
