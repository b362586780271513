"""Modules in storages that fsspec reads, at file URIs, and in folders of archives."""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import fsspec
import pytest

import hubcheck
from hubcheck.remote.open_archives import OpenArchives
from hubcheck.util.errors import Unreachable, UserError
from tests.paths import DATA
from tests.remote.reports import BAD, GOOD, check, results
from tests.remote.server import serving


@pytest.fixture
def memory() -> Iterator[fsspec.AbstractFileSystem]:
    """A storage in memory with two modules, and misleading names."""
    storage = fsspec.filesystem("memory")
    for name in (GOOD, BAD):
        storage.put(str(DATA / name), f"/bucket/hub/{name}", recursive=True)
    yield storage
    storage.store.clear()
    storage.pseudo_dirs[:] = [""]


def test_a_module_in_a_storage_has_the_same_report_as_in_a_folder(
    memory: fsspec.AbstractFileSystem, tmp_path: Path
) -> None:
    for name in (GOOD, BAD):
        here = Path(shutil.copytree(DATA / name, tmp_path / name))
        report = check(f"memory://bucket/hub/{name}")
        assert results(report) == results(check(str(here)))
        assert report.path == f"memory://bucket/hub/{name}"


def test_all_modules_below_a_storage_are_found(memory: fsspec.AbstractFileSystem) -> None:
    for root in ("memory://", "memory://bucket", "memory://bucket/", "memory://bucket/hub"):
        paths = [module.path for module in hubcheck.validate(root, static=True).modules]
        assert [Path(path).name for path in paths] == [GOOD, BAD]
        assert all(path.startswith("memory://") and "hub" in path for path in paths)


def test_a_storage_without_modules_is_an_error(memory: fsspec.AbstractFileSystem) -> None:
    for uri in ("memory://nothing", "memory://bucket/hub/m.zip"):
        with pytest.raises(hubcheck.NotAModule, match=uri):
            hubcheck.validate(uri, static=True)


def test_keys_that_are_not_valid_file_names_are_ignored(memory: fsspec.AbstractFileSystem) -> None:
    for key in ("a\\..\\b", "x" * 300, "saved_model.pb/below", "a/../../../../evil"):
        memory.store[f"/bucket/hub/{GOOD}/{key}"] = memory.store[f"/bucket/hub/{GOOD}/tfhub_module.pb"]
    assert check(f"memory://bucket/hub/{GOOD}").count("broken") == 0


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
        one = check(f"zip://hub/{GOOD}::{outer}")
        assert one.path == f"zip://hub/{GOOD}::{outer}"
        assert next(o.reason for o in one.outcomes if o.rule == "package/layout") == "not an archive"
        missing = f"zip://m::{outer.replace('hub.zip', 'nothing.zip')}"
        for wrong in (f"zip://nothing::{outer}", f"zip://../hub::{outer}", missing):
            with pytest.raises(hubcheck.NotAModule):
                hubcheck.validate(wrong, static=True)


@pytest.mark.parametrize("cache", [True, False])
@pytest.mark.parametrize("tags", [True, False])
def test_an_archive_is_fetched_once_for_all_modules_in_it(tags: bool, cache: bool, tmp_path: Path) -> None:
    for number in range(4):
        shutil.copytree(DATA / GOOD, tmp_path / "src" / "hub" / f"m{number}")
    for name in ("one", "two"):
        shutil.make_archive(str(tmp_path / "www" / name), "zip", tmp_path / "src")
    with serving(tmp_path / "www", tags=tags) as server:
        hubs = [f"zip://::{server.uri(f'{name}.zip')}" for name in ("one", "two")]
        report = hubcheck.validate(hubs[0], static=True, cache=cache, jobs=3)
        assert [module.verdict for module in report.modules] == ["conforms"] * 4
        assert (server.got("one.zip"), server.seen.count("HEAD /one.zip")) == (1, 1)
        server.forget()
        report = hubcheck.validate(hubs, static=True, cache=cache)
        assert [module.verdict for module in report.modules] == ["conforms"] * 8
        assert server.got("one.zip") <= 2  # searched and checked, and the other one between
        assert server.got("two.zip") == 1 + (not tags or not cache)


@pytest.mark.parametrize("opened_later", [1, 2])
def test_the_files_of_an_archive_stay_as_long_as_a_module_in_it_is_open(opened_later: int, tmp_path: Path) -> None:
    def unpack(stack: ExitStack) -> Path:
        folder = Path(tempfile.mkdtemp(dir=tmp_path))
        stack.callback(folder.rmdir)
        return folder

    archives = OpenArchives()
    with archives.opened("zip://a", unpack) as first:
        with archives.opened("zip://a", unpack) as same:
            assert same == first
        for number in range(opened_later):
            with archives.opened(f"zip://{number}", unpack) as other:
                assert (first.exists(), other.exists()) == (True, True)
        assert first.exists()
    assert list(tmp_path.iterdir()) == [other]
    archives.close()
    assert list(tmp_path.iterdir()) == []


def test_a_file_uri_is_read_in_place(tmp_path: Path) -> None:
    module = Path(shutil.copytree(DATA / GOOD, tmp_path / "ex ports" / "m"))
    assert check(module.as_uri()).path == module.as_uri()
    assert [m.path for m in hubcheck.validate(module.parent.as_uri(), static=True).modules] == [module.as_uri()]
    assert not (tmp_path / "xdg").exists()
    with pytest.raises(hubcheck.NotAModule):
        hubcheck.validate((tmp_path / "nothing").as_uri(), static=True)


def test_a_module_in_a_storage_runs(memory: fsspec.AbstractFileSystem) -> None:
    (report,) = hubcheck.validate(f"memory://bucket/hub/{GOOD}").modules
    assert report.verdict == "conforms", report.findings


def test_a_driver_that_cannot_connect_is_an_error_in_one_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        uri = f"ftp://127.0.0.1:{taken.getsockname()[1]}/module"
        with pytest.raises(Unreachable, match=f"^{uri} cannot be fetched: .*refused"):
            check(uri)


@pytest.mark.parametrize(
    ("uri", "remedy"),
    [
        ("reference://m::file://{folder}/list.json", "reference opens what a file names"),
        ("zip://m::reference://m::file://{folder}/list.json", "reference opens what a file names"),
        ("local://{folder}/m", "it is on this machine; give its path"),
        ("simplecache::file://{folder}/m", "it is on this machine; give its path"),
        ("dir::{folder}/m", "it is on this machine; give its path"),
    ],
)
def test_drivers_that_what_they_read_may_lead_to_other_files_are_refused(uri: str, remedy: str, tmp_path: Path) -> None:
    """A list of addresses, or a link in a module, would read any file of this machine."""
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "saved_model.pb").symlink_to("/etc/passwd")
    (tmp_path / "list.json").write_text('{"version": 1, "refs": {"m/saved_model.pb": ["file:///etc/passwd"]}}')
    with pytest.raises(UserError, match=remedy):
        hubcheck.validate(uri.format(folder=tmp_path), static=True, cache=False)
