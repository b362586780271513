"""Static checks on other systems and other Pythons: the same reports as here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import google.protobuf
import pytest

import hubcheck
from hubcheck import Progress
from hubcheck.report.formats import render
from tests.paths import DATA, ROOT

GOOD = DATA / "a_good_feature_vector"
BAD = DATA / "e_fixed_batch_1"

# What Windows, macOS or Pyodide lack; hubcheck is imported afterwards.
_POORER = """
import os, sys
sys.platform = "emscripten"
GONE = {"resource", "fcntl", "pwd", "grp", "termios", "select", "ctypes", "_socket", "_ssl", "_multiprocessing",
        "_posixsubprocess", "mmap", "sqlite3", "lzma"}
class Gone:
    def find_spec(self, name, path=None, target=None):
        if name in GONE:
            raise ImportError(f"no {name} here")
sys.meta_path.insert(0, Gone())
for name in GONE & set(sys.modules):
    del sys.modules[name]
for name in ("sched_getaffinity", "getuid", "geteuid", "fork", "uname", "sysconf", "O_NONBLOCK", "O_NOFOLLOW"):
    delattr(os, name)
os.supports_dir_fd.clear()
"""
_REPORT = """
import hubcheck, sys
from hubcheck.report.formats import render
print(render(hubcheck.validate(sys.argv[1:], static=True), "json"))
"""


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A folder with modules, and archives of a good one; in one of these is a large member."""
    folder = tmp_path_factory.mktemp("archives")
    (folder / "large").write_bytes(os.urandom(1 << 18))
    with tarfile.open(folder / "m.tar.gz", "w:gz") as tar, zipfile.ZipFile(folder / "m.zip", "w") as zipped:
        for file in sorted(path for path in GOOD.rglob("*") if path.is_file()):
            tar.add(file, file.relative_to(GOOD))
            zipped.write(file, file.relative_to(GOOD))
        tar.add(folder / "large", "assets/large")
    return [str(DATA), str(folder / "m.tar.gz"), str(folder / "m.zip")]


def decided(report: str) -> list[dict[str, Any]]:
    """What does not differ from run to run."""
    return [{**module, "elapsed_s": None} for module in json.loads(report)["modules"]]


@pytest.fixture(scope="module")
def here(modules: list[str]) -> list[dict[str, Any]]:
    reports = decided(render(hubcheck.validate(modules, static=True), "json"))
    assert {report["verdict"] for report in reports[-2:]} == {"conforms"}
    return reports


def reports_of(python: Path, code: str, paths: list[str], *imports: Path) -> list[dict[str, Any]]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (ROOT, *imports)))}
    command = [str(python), "-c", code, *paths]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return decided(done.stdout)


@pytest.mark.slow
def test_static_checks_need_nothing_that_only_linux_has(modules, here):
    assert reports_of(Path(sys.executable), _POORER + _REPORT, modules) == here


@pytest.mark.slow
def test_many_modules_need_no_processes_where_there_are_none(tmp_path):
    folders = [tmp_path / str(number) for number in range(65)]
    for folder in folders:
        folder.symlink_to(BAD)
    reports = reports_of(Path(sys.executable), _POORER + _REPORT, [str(folder) for folder in folders])
    assert [report["verdict"] for report in reports] == ["violates"] * 65


def _interpreter(minor: int) -> Path | None:
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for command in (f"python3.{minor}", *sorted(map(str, pyenv.glob(f"3.{minor}.*/bin/python")))):
        try:
            call = [command, "-c", "import sys; print(sys.executable)"]
            done = subprocess.run(call, capture_output=True, text=True, check=False)
        except OSError:
            continue
        if done.returncode == 0:
            return Path(done.stdout.strip())
    return None


@pytest.mark.slow
@pytest.mark.parametrize("minor", range(11, 16), ids="3.{}".format)
def test_static_checks_on_another_python_report_the_same(minor, modules, here, tmp_path):
    if minor == sys.version_info.minor:
        pytest.skip("this Python runs the tests")
    python = _interpreter(minor)
    if python is None:
        pytest.skip(f"there is no Python 3.{minor} here")
    # All that static checks import besides the standard library; one build serves every Python.
    (tmp_path / "google").symlink_to(Path(google.protobuf.__file__).parents[1])
    assert reports_of(python, _REPORT, modules, tmp_path) == here


def test_progress_is_told_before_the_first_module_and_after_each():
    told: list[Progress] = []
    report = hubcheck.validate([GOOD, BAD], static=True, progress=told.append)
    assert [(state.done, state.total) for state in told] == [(0, 2), (1, 2), (2, 2)]
    assert [state.module for state in told] == [None, *report.modules]


def test_an_error_of_the_function_for_progress_ends_the_run():
    class Stop(Exception):
        pass

    def stop(state: Progress) -> None:
        if state.done == 1:
            raise Stop

    with pytest.raises(Stop):
        hubcheck.validate([GOOD, BAD], static=True, progress=stop)
