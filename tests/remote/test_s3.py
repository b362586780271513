"""Modules in S3, read by the real driver from a local fake. Both are large, so the test extra does not include them:
`pip install 'moto[s3,server]' s3fs`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import hubcheck
from tests.paths import DATA
from tests.remote.reports import BAD, GOOD

pytest.importorskip("s3fs", reason="s3fs is not installed")
servers = pytest.importorskip("moto.server", reason="moto is not installed")


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[object]:
    """A bucket with a hub of two modules and an archive, and misleading keys."""
    import fsspec

    server = servers.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
    monkeypatch.setitem(fsspec.config.conf, "s3", {"endpoint_url": f"http://{host}:{port}"})
    storage = fsspec.filesystem("s3", skip_instance_cache=True)
    storage.makedirs("bucket", exist_ok=True)
    for name in (GOOD, BAD):
        storage.put(str(DATA / name), f"bucket/hub/{name}", recursive=True)
    storage.put(shutil.make_archive(str(tmp_path / "m"), "zip", DATA / GOOD), "bucket/m.zip")
    storage.touch(f"bucket/hub/{GOOD}/a\\..\\b")
    storage.touch(f"bucket/hub/{GOOD}/variables/")
    yield storage
    server.stop()


def test_modules_in_s3_are_found_checked_and_cached(
    bucket: object, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = hubcheck.validate("s3://bucket/hub", static=True)
    assert [module.path for module in report.modules] == [f"s3://bucket/hub/{name}" for name in (GOOD, BAD)]
    assert [module.verdict for module in report.modules] == ["conforms", "violates"]
    records = list(cache.glob("records/*/*"))
    assert len(records) >= 4
    from hubcheck.remote.storage import StorageFolder

    monkeypatch.setattr(StorageFolder, "download", None)
    assert hubcheck.validate(f"s3://bucket/hub/{GOOD}", static=True).modules[0].verdict == "conforms"


def test_archives_in_s3_and_folders_of_them(bucket: object) -> None:
    for uri in ("s3://bucket/m.zip", "zip://::s3://bucket/m.zip"):
        (module,) = hubcheck.validate(uri, static=True).modules
        assert (module.path, module.verdict) == (uri, "conforms")


def test_a_module_in_s3_runs(bucket: object) -> None:
    (module,) = hubcheck.validate(f"s3://bucket/hub/{GOOD}").modules
    assert module.verdict in ("conforms", "incomplete"), module.findings


@pytest.mark.parametrize("uri", ["s3://bucket/nothing", "s3://bucket/nothing.zip", "s3://no-such-bucket/m"])
def test_a_missing_module_in_s3_is_an_error(bucket: object, uri: str) -> None:
    with pytest.raises((hubcheck.NotAModule, hubcheck.util.errors.Unreachable), match=uri):
        hubcheck.validate(uri, static=True)


def test_an_unreachable_s3_makes_the_module_incomplete(monkeypatch: pytest.MonkeyPatch) -> None:
    import fsspec

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
    monkeypatch.setitem(fsspec.config.conf, "s3", {"endpoint_url": "http://127.0.0.1:1", "anon": True})
    report = hubcheck.validate("s3://bucket/m", static=True)
    assert report.modules[0].verdict == "incomplete"
    assert report.modules[0].findings == ()
