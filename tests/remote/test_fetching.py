"""A module on a web server has the same report as in a folder, and only the files needed for it are downloaded."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import pytest

import hubcheck
from hubcheck.util.errors import UserError
from tests.paths import DATA
from tests.remote.reports import GOOD, check, results
from tests.remote.server import Server, sends_half, serving

EVERYTHING = sorted(str(file.parent.relative_to(DATA)) for file in DATA.rglob("saved_model.pb"))
MODULES = sorted(path.name for path in DATA.glob("*_*") if (path / "saved_model.pb").exists())


@pytest.mark.parametrize("lists", [False, True], ids=["no lists", "lists"])
@pytest.mark.parametrize("name", MODULES)
def test_a_module_on_a_server_has_the_same_report_as_in_a_folder(name: str, lists: bool) -> None:
    with serving(DATA, lists=lists) as server:
        report = check(server.uri(name))
        assert results(report) == results(check(DATA / name))
        assert report.path == server.uri(name)


@pytest.mark.parametrize("lists", [False, True], ids=["no lists", "lists"])
def test_a_tf2_module_is_checked_without_its_weights(fixture_module: Callable[[str], Path], lists: bool) -> None:
    module = fixture_module("output/no-dropout/good")
    (data,) = (module / "variables").glob("variables.data-*")
    with serving(module.parent, lists=lists) as server:
        assert results(check(server.uri(module.name))) == results(check(module))
        sent = server.sent[f"/{module.name}/variables/{data.name}"]
    assert hubcheck.read(module).checkpoint is not None
    graph = hubcheck.read(module).checkpoint.entries["_CHECKPOINTABLE_OBJECT_GRAPH"]  # type: ignore[union-attr]
    assert sent == graph.size < data.stat().st_size


def test_weights_are_not_downloaded_for_static_checks(server: Server) -> None:
    check(server.uri(GOOD))
    names = ("saved_model.pb", "tfhub_module.pb", "variables/variables.index")
    assert server.fetched() == ["README.md", *(f"{GOOD}/{name}" for name in names)]


def test_a_server_without_range_requests_has_the_same_report(fixture_module: Callable[[str], Path]) -> None:
    module = fixture_module("output/no-dropout/good")
    with serving(module.parent, ranges=False) as server:
        assert results(check(server.uri(module.name))) == results(check(module))


def test_a_server_without_head_requests_has_the_same_report() -> None:
    with serving(DATA, heads=False) as server:
        assert results(check(server.uri(GOOD))) == results(check(DATA / GOOD))


def test_unchanged_files_are_not_downloaded_again(server: Server) -> None:
    first = check(server.uri(GOOD))
    server.forget()
    assert results(check(server.uri(GOOD))) == results(first)
    assert server.fetched() == []


def test_changed_files_are_downloaded_again(tmp_path: Path) -> None:
    module = Path(shutil.copytree(DATA / GOOD, tmp_path / "hub" / "m"))
    with serving(module.parent) as server:
        assert check(server.uri("m")).verdict == "conforms"
        shutil.copy(DATA / "e_fixed_batch_1" / "saved_model.pb", module)
        server.forget()
        assert check(server.uri("m")).verdict == "violates"
        assert server.fetched() == ["m/saved_model.pb"]


def test_without_validators_files_are_downloaded_again_and_stored_once(cache: Path) -> None:
    with serving(DATA, tags=False) as server:
        for _ in range(2):
            check(server.uri(GOOD))
        assert server.got(f"{GOOD}/saved_model.pb") == 2
    assert len([file for file in cache.glob("objects/*/*") if file.is_file()]) == 4
    assert list(cache.glob("records/*/*")) == []


def test_without_a_cache_nothing_is_read_from_it_or_kept(server: Server, cache: Path) -> None:
    for _ in range(2):
        check(server.uri(GOOD), cache=False)
    assert server.got(f"{GOOD}/saved_model.pb") == 2
    assert not cache.exists()


def test_all_modules_that_a_server_lists_are_found() -> None:
    with serving(DATA, lists=True) as server:
        report = hubcheck.validate([server.uri(), server.uri(GOOD)], static=True)
        assert [module.path for module in report.modules] == [server.uri(name) for name in EVERYTHING]


LISTINGS = {
    "relative": '<a href="m/">m/</a>',
    "relative to the folder": '<a href="./m/">m/</a>',
    "absolute path": "<A HREF='/hub/m/'>m/</A>",
    "absolute URI": '<a class="x" href="{uri}m/">m/</a>',
    "beside other links": '<a href="?C=M;O=A">M</a> <a href="../">..</a> <a href="#m">m</a> <a href="m/{query}">m/</a>',
    "several lines": '<a\n  title="m"\n  href="m/"\n>m/</a>',
}


@pytest.mark.parametrize("query", ["", "?token=a%2Fb&v=1"], ids=["no query", "query"])
@pytest.mark.parametrize("form", LISTINGS)
def test_links_of_a_listing_are_followed_in_every_form(form: str, query: str, tmp_path: Path) -> None:
    shutil.copytree(DATA / GOOD, tmp_path / "hub" / "m")
    with serving(tmp_path, lists=True) as server:
        server.pages["/hub/"] = LISTINGS[form].format(uri=server.uri("hub/"), query=query.replace("&", "&amp;"))
        found = [module.path for module in hubcheck.validate(server.uri(f"hub{query}"), static=True).modules]
        assert found == [server.uri(f"hub/m{query}")]


def test_names_with_special_characters_are_found_in_listings(tmp_path: Path) -> None:
    names = ["a b", "a&b", "a+b", "ü", "a'b", "100%"]
    for name in names:
        shutil.copytree(DATA / GOOD, tmp_path / name)
    with serving(tmp_path, lists=True) as server:
        modules = hubcheck.validate(server.uri(), static=True).modules
        assert sorted(unquote(module.path.removeprefix(server.uri())) for module in modules) == sorted(names)
        assert {module.verdict for module in modules} == {"conforms"}


@pytest.mark.parametrize("suffix", [".tar.gz", ".zip"])
def test_an_archive_is_checked_like_its_file(tmp_path: Path, suffix: str) -> None:
    form = {".tar.gz": "gztar", ".zip": "zip"}[suffix]
    archive = Path(shutil.make_archive(str(tmp_path / "hub" / "m"), form, DATA / GOOD))
    with serving(archive.parent, lists=True) as server:
        report = check(server.uri(archive.name))
        assert results(report) == results(check(archive))
        assert next(o.status for o in report.outcomes if o.rule == "package/layout") == "passed"
        assert [module.path for module in hubcheck.validate(server.uri(), static=True).modules] == [report.path]
        signed = server.uri(f"{archive.name}?signature=a%2Fb")
        assert (check(signed).path, check(signed).verdict) == (signed, "conforms")


@pytest.mark.parametrize("ranges", [True, False])
def test_archives_without_a_module_are_left_out(tmp_path: Path, ranges: bool) -> None:
    hub, module, data = tmp_path / "hub", tmp_path / "module", tmp_path / "data"
    shutil.copytree(DATA / GOOD, module)
    noise = random.Random(0).randbytes(3_000_000)
    (module / "assets").mkdir(exist_ok=True)
    (module / "assets" / "noise.bin").write_bytes(noise)  # in a tar file before saved_model.pb
    data.mkdir()
    (data / "images.bin").write_bytes(noise)
    for form in ("gztar", "zip"):
        shutil.make_archive(str(hub / "module"), form, module)
        shutil.make_archive(str(hub / "below" / "data"), form, data)
    (hub / "broken.zip").write_bytes(b"PK" + noise[:1000])
    with serving(hub, lists=True, ranges=ranges) as server:
        found = hubcheck.validate(server.uri(), static=True).modules
        assert [report.path for report in found] == [
            server.uri(name) for name in ("broken.zip", "module.tar.gz", "module.zip")
        ]
        assert [report.verdict for report in found] == ["violates", "conforms", "conforms"]
        if ranges:
            assert server.sent["/below/data.zip"] < 200_000
        else:
            assert server.got("module.zip") == 1


def test_an_archive_that_cannot_be_downloaded_is_incomplete(tmp_path: Path) -> None:
    archive = shutil.make_archive(str(tmp_path / "hub" / "m"), "zip", DATA / GOOD)
    with serving(Path(archive).parent, lists=True) as server:
        server.overrides["/m.zip"] = sends_half
        (report,) = hubcheck.validate(server.uri(), static=True).modules
        assert (report.path, report.verdict) == (server.uri("m.zip"), "incomplete")


def test_a_query_is_sent_with_every_request(server: Server) -> None:
    assert check(server.uri(f"{GOOD}?token=1")).verdict == "conforms"
    assert all(line.endswith("?token=1") for line in server.seen)


def test_a_module_on_a_server_runs(server: Server) -> None:
    (report,) = hubcheck.validate(server.uri(GOOD)).modules
    assert report.verdict == "conforms", report.findings
    assert [device.name for device in report.devices if device.ran] == ["cpu"]
    assert f"{GOOD}/variables/variables.data-00000-of-00001" in server.fetched()
    server.forget()
    hubcheck.validate(server.uri(GOOD), select=["safety"])
    assert server.fetched() == []


def test_read_and_load_module_spec_accept_uris(server: Server) -> None:
    from hubcheck import hub

    assert hubcheck.read(server.uri(GOOD)).format == "tf1-hub"
    assert hub.get_expected_image_size(hub.load_module_spec(server.uri(GOOD))) == (
        hub.get_expected_image_size(hub.load_module_spec(DATA / GOOD))
    )


def test_read_returns_no_folder_for_archives_and_servers(server: Server, tmp_path: Path) -> None:
    archive = shutil.make_archive(str(tmp_path / "m"), "zip", DATA / GOOD)
    for where in (archive, server.uri(GOOD), Path(archive).as_uri()):
        with pytest.raises(UserError, match="its files are gone"):
            _ = hubcheck.read(where).folder
    for where in (DATA / GOOD, (DATA / GOOD).as_uri()):
        assert hubcheck.read(where).folder == DATA / GOOD
