"""Atomic writes, locks, and private folders."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hubcheck.util.atomic import replacing, write_atomic
from hubcheck.util.errors import UserError
from hubcheck.util.locks import lock_file, private_folder
from tests.paths import DATA, ROOT


def test_an_atomic_write_replaces_the_file_or_leaves_it(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    write_atomic(file, ["one ", "\udcff"])
    assert file.read_text(encoding="utf-8") == r"one \udcff"
    with pytest.raises(ZeroDivisionError):
        write_atomic(file, (str(1 // n) for n in (1, 0)))
    assert file.read_text(encoding="utf-8") == r"one \udcff"
    assert list(tmp_path.iterdir()) == [file]


def test_an_atomic_write_follows_a_link(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "link").symlink_to("below/file")
    write_atomic(tmp_path / "link", ["text"])
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "below" / "file").read_text(encoding="utf-8") == "text"


def test_an_atomic_write_to_a_device_writes_to_it() -> None:
    write_atomic(Path(os.devnull), ["text"])
    assert not Path(os.devnull).is_file()


def test_a_file_that_cannot_be_written_is_the_users_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be written: No such file"):
        write_atomic(tmp_path / "missing" / "file", ["text"])


def test_a_draft_is_removed_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), replacing(tmp_path / "file") as draft:
        draft.touch()
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_one_holder_at_a_time_has_a_lock(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as one, (tmp_path / "lock").open("w") as other:
        assert lock_file(one, wait=False)
        assert not lock_file(other, wait=False)
        one.close()
        assert lock_file(other)


def test_a_private_folder_is_removed_with_its_content(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), private_folder(tmp_path) as folder:
        assert folder.stat().st_mode & 0o077 == 0
        (folder / "file").touch()
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_private_folders_of_processes_that_are_gone_are_rescued_and_removed(tmp_path: Path) -> None:
    (tmp_path / "draft-abandoned").mkdir()
    (tmp_path / "other-abandoned").mkdir()
    (tmp_path / "draft-link").symlink_to(tmp_path / "other-abandoned")
    rescued: list[str] = []
    with private_folder(tmp_path, "draft-") as used:
        with private_folder(tmp_path, "draft-", rescue=lambda folder: rescued.append(folder.name)):
            assert used.exists()
        left = {path.name for path in tmp_path.iterdir()} - {used.name}
    assert left == {"other-abandoned", "draft-link"}
    assert rescued == []
    (tmp_path / "draft-abandoned").mkdir()
    with private_folder(tmp_path, "draft-", rescue=lambda folder: rescued.append(folder.name)):
        assert rescued == ["draft-abandoned"]


def test_reading_modules_needs_nothing_that_only_unix_has() -> None:
    names = [
        ".".join(file.relative_to(ROOT).with_suffix("").parts)
        for package in ("module", "util")
        for file in (ROOT / "hubcheck" / package).rglob("*.py")
    ]
    code = f"""
import importlib, os, sys
sys.modules.update(fcntl=None, resource=None)
for name in ("getuid", "sched_getaffinity", "O_NONBLOCK", "O_CLOEXEC"):
    delattr(os, name)
for name in {names!r}:
    importlib.import_module(name)
import hubcheck
from hubcheck.util.locks import private_folder
module = hubcheck.read({str(DATA / "a_good_feature_vector")!r})
assert module.format == "tf1-hub", module.problems
with private_folder() as folder:
    assert folder.exists()
assert not folder.exists()
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
