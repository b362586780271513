"""A full disk is no fault of a module: it is not checked, and the report names the variable to set."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.disks import SmallDisk, small_disk
from tests.paths import DATA
from tests.remote.server import serving

GOOD = DATA / "a_good_feature_vector"
SIZE = 200_000
DOWNLOADS = "XDG_CACHE_HOME, or with --no-cache TMPDIR,"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", SIZE) as small:
        yield small


@pytest.fixture
def archives(tmp_path: Path) -> Path:
    """A folder with archives of one module; that in `large` does not fit on the disk when it is unpacked."""
    for name in ("large", "small"):
        module = Path(shutil.copytree(GOOD, tmp_path / "source" / name / name))
        if name == "large":
            (module / "assets").mkdir()
            (module / "assets" / "labels.txt").write_bytes(os.urandom(SIZE))
        for style in ("zip", "gztar"):
            shutil.make_archive(str(tmp_path / "archives" / name), style, module)
    shutil.make_archive(str(tmp_path / "hub"), "zip", tmp_path / "source")
    return tmp_path / "archives"


def checked(disk: SmallDisk, *arguments: object, **env: str) -> dict[str, tuple[str, set[str]]]:
    """The verdict and the reasons of each module, by its name."""
    done = disk.hubcheck("validate", "--static", "--no-cache", "--format", "json", *arguments, **env)
    assert done.stderr == ""
    report = json.loads(done.stdout)
    assert report["exit_code"] == done.returncode == 3
    assert not any(module["findings"] for module in report["modules"])
    return {
        Path(module["path"].partition("::")[0]).name: (module["verdict"], {o["reason"] for o in module["outcomes"]})
        for module in report["modules"]
    }


def assert_names(variable: str, found: tuple[str, set[str]]) -> None:
    verdict, (reason,) = found
    assert verdict == "incomplete"
    assert reason.startswith("not checked: its files cannot be written for the check: ")
    assert reason.endswith(f"; set {variable} to a folder with more space")


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_archive_that_does_not_fit_when_unpacked_is_not_checked(disk: SmallDisk, archives: Path, jobs: int) -> None:
    found = checked(disk, "--jobs", jobs, archives)
    for suffix in ("zip", "tar.gz"):
        assert_names("TMPDIR", found[f"large.{suffix}"])
        if jobs > 1 and found[f"small.{suffix}"][0] == "incomplete":  # the other process filled the disk just then
            assert_names("TMPDIR", found[f"small.{suffix}"])
        else:
            assert found[f"small.{suffix}"][0] == "conforms"
    assert list(disk.folder.iterdir()) == []


def test_a_disk_that_is_full_already_is_not_left_for_another(disk: SmallDisk, archives: Path) -> None:
    disk.prepare()
    with (disk.folder / "of-another-program").open("wb", buffering=0) as file, suppress(OSError):
        file.write(bytes(SIZE + (1 << 16)))
    for module in checked(disk, archives).values():
        assert_names("TMPDIR", module)
    assert [file.name for file in disk.folder.iterdir()] == ["of-another-program"]


@pytest.mark.parametrize("cache", [True, False])
@pytest.mark.parametrize("path", ["archives/large.zip", "source/large/large"])
def test_a_download_that_does_not_fit_is_not_checked(disk: SmallDisk, archives: Path, path: str, cache: bool) -> None:
    where = {} if not cache else {"XDG_CACHE_HOME": str(disk.folder), "TMPDIR": str(archives)}
    with serving(archives.parent, lists=True) as server:
        done = disk.hubcheck("validate", "--static", *(() if cache else ("--no-cache",)), "--format", "json",
                             server.uri(path), **where)  # fmt: skip
    assert done.returncode == 3, done.stdout
    (module,) = json.loads(done.stdout)["modules"]
    assert_names(
        "XDG_CACHE_HOME, or with --no-cache TMPDIR,", (module["verdict"], {o["reason"] for o in module["outcomes"]})
    )


def test_a_folder_of_a_remote_archive_that_does_not_fit_is_not_checked(disk: SmallDisk, archives: Path) -> None:
    with serving(archives.parent) as server:
        found = checked(disk, f"zip://::{server.uri('hub.zip')}")
    assert_names(DOWNLOADS, found["zip:"])


@pytest.mark.slow
def test_a_run_without_space_for_its_copy_is_not_checked(disk: SmallDisk, tmp_path: Path) -> None:
    module = Path(shutil.copytree(GOOD, tmp_path / "m"))
    (module / "assets").mkdir()
    (module / "assets" / "labels.txt").write_bytes(os.urandom(SIZE))
    done = disk.hubcheck("validate", "--no-cache", "--format", "json", module)
    (report,) = json.loads(done.stdout)["modules"]
    assert done.returncode == 3
    assert_names("TMPDIR", (report["verdict"], {outcome["reason"] for outcome in report["outcomes"]}))
