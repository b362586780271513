"""Storages that fsspec reads, files, and folders of archives are modules' places like any other."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

import hubcheck
from hubcheck.engine.module_report import ModuleReport
from hubcheck.util.errors import Unreachable
from tests.paths import DATA
from tests.remote.server import serving

GOOD, BAD = "a_good_feature_vector", "e_fixed_batch_1"


def judged(uri: str, **options: object) -> ModuleReport:
    (report,) = hubcheck.validate(uri, static=True, **options).modules  # type: ignore[arg-type]
    return report


def told(report: ModuleReport) -> tuple[object, ...]:
    return report.format, report.outcomes, report.findings, report.file


@pytest.fixture
def memory() -> Iterator[fsspec.AbstractFileSystem]:
    """A storage in memory with two modules, and names that are traps."""
    storage = fsspec.filesystem("memory")
    for name in (GOOD, BAD):
        storage.put(str(DATA / name), f"/bucket/hub/{name}", recursive=True)
    yield storage
    storage.store.clear()
    storage.pseudo_dirs[:] = [""]


def test_a_module_in_a_storage_is_judged_like_a_folder(memory: fsspec.AbstractFileSystem, tmp_path: Path) -> None:
    for name in (GOOD, BAD):
        here = Path(shutil.copytree(DATA / name, tmp_path / name))
        report = judged(f"memory://bucket/hub/{name}")
        assert told(report) == told(judged(str(here)))
        assert report.path == f"memory://bucket/hub/{name}"


def test_all_modules_below_a_storage_are_found(memory: fsspec.AbstractFileSystem) -> None:
    for root in ("memory://", "memory://bucket", "memory://bucket/", "memory://bucket/hub"):
        paths = [module.path for module in hubcheck.validate(root, static=True).modules]
        assert [Path(path).name for path in paths] == [GOOD, BAD]
        assert all(path.startswith("memory://") and "hub" in path for path in paths)


def test_a_storage_with_nothing_in_it_is_refused(memory: fsspec.AbstractFileSystem) -> None:
    for uri in ("memory://nothing", "memory://bucket/hub/m.zip"):
        with pytest.raises(hubcheck.NotAModule, match=uri):
            hubcheck.validate(uri, static=True)


def test_keys_that_are_no_names_of_files_are_passed_over(memory: fsspec.AbstractFileSystem) -> None:
    for key in ("a\\..\\b", "x" * 300, "saved_model.pb/below", "a/../../../../evil"):
        memory.store[f"/bucket/hub/{GOOD}/{key}"] = memory.store[f"/bucket/hub/{GOOD}/tfhub_module.pb"]
    assert judged(f"memory://bucket/hub/{GOOD}").count("broken") == 0


@pytest.mark.parametrize("where", ["memory", "http", "file", "path"])
def test_a_folder_of_an_archive_is_a_module(where: str, tmp_path: Path, memory: fsspec.AbstractFileSystem) -> None:
    (tmp_path / "src" / "hub").mkdir(parents=True)
    for name in (GOOD, BAD):
        shutil.copytree(DATA / name, tmp_path / "src" / "hub" / name)
    archive = Path(shutil.make_archive(str(tmp_path / "hub"), "zip", tmp_path / "src"))
    memory.put(str(archive), "/bucket/hub.zip")
    with serving(tmp_path) as server:
        given = {"memory": "memory://bucket/hub.zip", "http": server.uri("hub.zip"), "path": str(archive)}
        outer = archive.as_uri() if where in ("file", "path") else given[where]
        report = hubcheck.validate(f"zip://::{given.get(where, outer)}", static=True)
        assert [module.path for module in report.modules] == [f"zip://hub/{name}::{outer}" for name in (GOOD, BAD)]
        assert [module.verdict for module in report.modules] == ["conforms", "violates"]
        one = judged(f"zip://hub/{GOOD}::{outer}")
        assert one.path == f"zip://hub/{GOOD}::{outer}"
        assert next(o.reason for o in one.outcomes if o.rule == "package/layout") == "not an archive"
        missing = f"zip://m::{outer.replace('hub.zip', 'nothing.zip')}"
        for wrong in (f"zip://nothing::{outer}", f"zip://../hub::{outer}", missing):
            with pytest.raises(hubcheck.NotAModule):
                hubcheck.validate(wrong, static=True)


def test_a_file_uri_is_read_where_it_is(tmp_path: Path) -> None:
    module = Path(shutil.copytree(DATA / GOOD, tmp_path / "ex ports" / "m"))
    assert judged(module.as_uri()).path == module.as_uri()
    assert [m.path for m in hubcheck.validate(module.parent.as_uri(), static=True).modules] == [module.as_uri()]
    assert not (tmp_path / "xdg").exists()
    with pytest.raises(hubcheck.NotAModule):
        hubcheck.validate((tmp_path / "nothing").as_uri(), static=True)


def test_a_module_in_a_storage_runs(memory: fsspec.AbstractFileSystem) -> None:
    (report,) = hubcheck.validate(f"memory://bucket/hub/{GOOD}").modules
    assert report.verdict == "conforms", report.findings


def test_a_driver_that_cannot_connect_says_so_in_one_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        uri = f"ftp://127.0.0.1:{taken.getsockname()[1]}/module"
        with pytest.raises(Unreachable, match=f"^{uri} cannot be fetched: .*refused"):
            judged(uri)
