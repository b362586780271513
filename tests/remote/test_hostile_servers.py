"""Hostile servers: nothing is written outside of a module's folder, and everything ends within the limits."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import hubcheck
from hubcheck.module.limits import LIMITS, ReadLimits
from hubcheck.module.proto import message_class
from hubcheck.module.uri import Uri
from hubcheck.remote.fetch_options import FetchOptions
from hubcheck.remote.sources import open_source
from hubcheck.util.errors import Unreachable
from tests.fuzz import tables
from tests.paths import DATA
from tests.remote.reports import GOOD, check
from tests.remote.server import Server, never_ends, serving

INDEX = f"{GOOD}/variables/variables.index"


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> set[Path]:
    """All existing files except the cache; temporary files are made below tmp_path."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    return files(tmp_path)


def files(folder: Path) -> set[Path]:
    return {file for file in folder.rglob("*") if file.is_file() and "xdg" not in file.parts}


NAMES = [
    "../../evil",
    "..%2f..%2fevil",
    "/evil",
    "%2fevil",
    "a/../../evil",
    "..\\evil",
    "C:\\evil",
    "%00",
    "x" * 3000,
    ".",
]


def test_links_to_other_places_are_not_followed(tmp_path: Path, outside: set[Path]) -> None:
    with serving(DATA, lists=True) as server, serving(DATA) as other:
        links = [
            *NAMES,
            other.uri("evil"),
            "javascript:alert(1)",
            "#",
            "?C=M",
            "mailto:x@example.com",
            "http://[",
            "saved_model.pb",
        ]
        links += ["variables/", "tfhub_module.pb", "variables", "saved_model.pb/evil"]
        server.pages[f"/{GOOD}/"] = "".join(f'<a href="{link}">x</a>' for link in links)
        assert check(server.uri(GOOD)).verdict == "conforms"
        assert other.seen == []
    assert files(tmp_path) == outside
    assert all(b"evil" not in os.fsencode(file) for file in (tmp_path / "xdg").rglob("*"))


@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize(
    "name", ["../../../evil.txt", "/tmp/evil.txt", "a\\..\\evil", "labels\0", "a/" * 2000, "..", ""]
)
def test_names_of_assets_stay_in_the_module(tmp_path: Path, outside: set[Path], name: str, weights: bool) -> None:
    module = Path(shutil.copytree(DATA / "x12_assets_and_table", tmp_path / "hub" / "m"))
    before = files(tmp_path)
    message = message_class("SavedModel").FromString((module / "saved_model.pb").read_bytes())
    for meta in message.meta_graphs:
        meta.asset_file_def.add(filename=name)
    (module / "saved_model.pb").write_bytes(message.SerializeToString())
    (tmp_path / "evil.txt").write_text("theirs")
    before.add(tmp_path / "evil.txt")
    with serving(module.parent) as server:
        with open_source(Uri(server.uri("m")), FetchOptions(), weights=weights) as facts:
            assert facts.format == "tf1-hub"
        assert not [line for line in server.seen if "evil" in line]
    assert files(tmp_path) == before


def test_the_depth_of_listings_is_limited(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        for depth in range(40):
            server.pages["/" + "a/" * depth] = '<a href="a/">a</a>'
        with pytest.raises(hubcheck.NotAModule):
            hubcheck.validate(server.uri(), static=True)
        assert len(server.seen) < 40


def test_the_size_of_a_listing_is_limited(server: Server, tmp_path: Path) -> None:
    (tmp_path / "hub").mkdir()
    with serving(tmp_path / "hub") as endless:
        endless.pages["/m/"] = "<a>" * (4 << 20)
        with pytest.raises(Unreachable, match="its list of files has more than"):
            hubcheck.validate(endless.uri("m"), static=True)


@pytest.mark.parametrize(
    "page", ["<a" + " " * 100_000, "<a x " * 200_000, "<a href='" * 200_000], ids=["spaces", "tags", "quotes"]
)
def test_unclosed_tags_and_long_spaces_are_searched_in_linear_time(tmp_path: Path, page: str) -> None:
    with serving(tmp_path) as server:
        server.pages["/m/"] = page
        with pytest.raises(hubcheck.NotAModule):
            hubcheck.validate(server.uri("m"), static=True)


def test_more_files_than_the_limit_are_a_finding(tmp_path: Path) -> None:
    module = Path(shutil.copytree(DATA / GOOD, tmp_path / "m"))
    for number in range(30):
        (module / f"{number}.txt").touch()
    with serving(tmp_path, lists=True) as server:
        report = check(server.uri("m"), limits=replace(LIMITS, files=20))
    assert report.findings[0].message.endswith("the limit files")
    assert report.findings[0].rule == "module/readable"


LARGE: dict[str, tuple[str, ReadLimits]] = {
    "proto-bytes": ("saved_model.pb", replace(LIMITS, proto_bytes=5000)),
    "tensors": ("variables/variables.index", replace(LIMITS, tensors=100)),
    "remote-bytes": ("saved_model.pb", replace(LIMITS, remote_bytes=5000)),
}


@pytest.mark.parametrize("declared", [True, False], ids=["size declared", "size not declared"])
@pytest.mark.parametrize("limit", LARGE)
def test_a_file_larger_than_a_limit_is_not_downloaded_and_is_a_finding(limit: str, declared: bool) -> None:
    name, limits = LARGE[limit]
    with serving(DATA) as server:
        if declared and limit == "tensors":
            server.sizes[f"/{GOOD}/{name}"] = 2 << 20
        if not declared:
            server.overrides[f"/{GOOD}/{name}"] = never_ends
            server.undeclared.add(f"/{GOOD}/{name}")
        report = check(server.uri(GOOD), limits=limits)
        assert f"{GOOD}/{name}" not in server.fetched()
    (finding,) = report.findings
    assert finding.rule == "module/readable"
    assert finding.message.endswith(f"the limit {limit}")
    assert limit in finding.fix


def test_a_wrong_declared_size_is_detected(server: Server) -> None:
    for size in (10, 1 << 62):
        server.sizes[f"/{GOOD}/tfhub_module.pb"] = size
        report = check(server.uri(GOOD), cache=False)
        assert report.verdict != "conforms"
        assert report.count("broken") == 0


def test_weights_of_an_impossible_size_take_no_room(server: Server, cache: Path) -> None:
    server.sizes[f"/{GOOD}/variables/variables.data-00000-of-00001"] = 1 << 62
    assert check(server.uri(GOOD)).verdict == "conforms"


def test_weights_that_are_too_short_are_a_finding(server: Server) -> None:
    server.sizes[f"/{GOOD}/variables/variables.data-00000-of-00001"] = 10
    (finding,) = check(server.uri(GOOD)).findings
    assert "is too short" in finding.message


def test_an_index_that_names_more_shards_than_files_may_be_is_a_finding(tmp_path: Path) -> None:
    module = Path(shutil.copytree(DATA / GOOD, tmp_path / "m"))
    entry = message_class("BundleEntryProto")
    entries = [(b"", b"\x08\xe8\x07")]
    entries += [(b"v%06d" % n, entry(shard_id=n, size=4).SerializeToString()) for n in range(50)]
    (module / "variables" / "variables.index").write_bytes(tables.written(entries))
    with serving(tmp_path) as server:
        report = check(server.uri("m"), limits=replace(LIMITS, files=20))
        assert report.findings[0].message.endswith("the limit files")
        assert len(server.seen) < 40


def test_an_endless_archive_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "m.tar.gz").touch()
    with serving(tmp_path) as server:
        server.overrides["/m.tar.gz"] = never_ends
        server.undeclared.add("/m.tar.gz")
        (finding,) = check(server.uri("m.tar.gz"), limits=replace(LIMITS, remote_bytes=1 << 20)).findings
    assert finding.message.endswith("the limit remote-bytes")


def test_an_unsafe_archive_on_a_server_is_refused_like_a_file(tmp_path: Path, outside: set[Path]) -> None:
    from tests.module.test_archive import member, packed

    (tmp_path / "hub").mkdir()
    archive = packed(tmp_path / "hub" / "m.tar.gz", member("../evil", data=b"x"))
    before = files(tmp_path)
    with serving(archive.parent) as server:
        report = check(server.uri("m.tar.gz"))
    assert [finding.rule for finding in report.findings] == ["safety/paths"]
    assert files(tmp_path) == before
