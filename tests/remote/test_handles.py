"""Handles of TF Hub and Kaggle, resolved by the real clients, which are connected to a local server."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import hubcheck
from hubcheck.sandbox import landlock
from hubcheck.util.errors import UserError
from tests.interop.originals import library
from tests.module.test_archive import member, packed
from tests.paths import DATA
from tests.remote.reports import BAD, GOOD, check
from tests.remote.server import Server, serving

API = "/api/v1/models.ModelApiService/"
ONE = "kaggle://google/m/tensorFlow2/small/3"


@pytest.fixture
def proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A proxy that answers for every host, and the clients' settings and caches for it."""
    (tmp_path / "hub").mkdir()
    with serving(tmp_path / "hub") as server:
        monkeypatch.setenv("http_proxy", server.uri().rstrip("/"))
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "tfhub"))
        monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "kaggle"))
        monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "LOCALHOST")
        for name in ("no_proxy", "NO_PROXY", "HTTP_PROXY"):
            monkeypatch.delenv(name, raising=False)
        yield server


@pytest.fixture
def tfhub(proxy: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The same, with the original client installed."""
    monkeypatch.syspath_prepend(str(library("0.16.1")))
    return proxy


@pytest.fixture
def kaggle(proxy: Server) -> Server:
    """The same, with Kaggle's API: version 3 of a model has the files of a good module."""
    files = {str(f.relative_to(DATA / GOOD)): f.read_bytes() for f in (DATA / GOOD).rglob("*") if f.is_file()}
    proxy.files = files  # type: ignore[attr-defined]

    def listed(given: bytes) -> bytes:
        return json.dumps({"files": [{"name": name} for name in files]}).encode()

    proxy.posts |= {
        f"{API}GetModelInstance": lambda given: b'{"versionNumber": 3}',
        f"{API}ListModelInstanceVersionFiles": listed,
        f"{API}DownloadModelInstanceVersion": lambda given: files[json.loads(given)["path"]],
    }
    return proxy


def test_a_handle_of_tf_hub_is_resolved_by_its_client(tfhub: Server, tmp_path: Path) -> None:
    (tfhub.root / "google" / "m").mkdir(parents=True)
    packed(tfhub.root / "google" / "m" / "1", source=DATA / BAD)
    report = check("http://tfhub.dev/google/m/1")
    assert (report.path, report.format) == ("http://tfhub.dev/google/m/1", "tf1-hub")
    assert [finding.rule for finding in report.findings] == ["image-input/batch-size"]
    assert any("tf-hub-format=compressed" in line for line in tfhub.seen)
    assert list((tmp_path / "tfhub").iterdir())
    tfhub.forget()
    check("http://tfhub.dev/google/m/1")
    assert tfhub.seen == [], "the client has it in its own cache"


def test_without_a_cache_the_client_downloads_to_a_private_folder(tfhub: Server, tmp_path: Path) -> None:
    (tfhub.root / "google").mkdir()
    packed(tfhub.root / "google" / "m")
    assert check("http://tfhub.dev/google/m", cache=False).verdict == "conforms"
    assert not (tmp_path / "tfhub").exists()


def test_a_missing_module_of_tf_hub_is_incomplete_with_the_clients_message(tfhub: Server) -> None:
    report = check("http://tfhub.dev/google/nothing/1")
    assert (report.verdict, report.findings) == ("incomplete", ())
    (reason,) = {outcome.reason for outcome in report.outcomes}
    assert (reason or "").startswith("http://tfhub.dev/google/nothing/1 cannot be fetched: tensorflow-hub failed: ")
    assert "404" in (reason or "")


@pytest.mark.parametrize(
    "uri",
    [
        ONE,
        "kaggle://google/m/tensorFlow2/small",
        "https://www.kaggle.com/models/google/m/tensorFlow2/small/3",
        "https://www.kaggle.com/models/google/m/frameworks/tensorFlow2/variations/small/versions/3",
        "https://kaggle.com/models/google/m/TensorFlow2/small",
    ],
)
def test_a_model_on_kaggle_is_downloaded_by_its_client(kaggle: Server, uri: str) -> None:
    report = check(uri)
    assert (report.path, report.verdict) == (uri, "conforms"), report.outcomes[0].reason
    kaggle.forget()
    assert check(uri).verdict == "conforms"
    assert not [line for line in kaggle.seen if "Download" in line], "the client has it in its own cache"


def test_a_model_on_kaggle_runs(kaggle: Server) -> None:
    (report,) = hubcheck.validate(ONE).modules
    assert report.verdict == "conforms", report.findings


def test_a_missing_model_of_kaggle_is_incomplete_with_the_clients_message(kaggle: Server) -> None:
    kaggle.posts.clear()
    report = check(ONE)
    (reason,) = {outcome.reason for outcome in report.outcomes}
    assert report.verdict == "incomplete"
    assert (reason or "").startswith(f"{ONE} cannot be fetched: kagglehub failed: ")


@pytest.mark.skipif(landlock.version() == 0, reason="this kernel has no Landlock")
def test_file_names_that_leave_the_cache_are_not_written(kaggle: Server, tmp_path: Path) -> None:
    """The client itself would write them."""
    kaggle.files["../../../../../../../evil"] = b"x"  # type: ignore[attr-defined]
    kaggle.files[str(tmp_path / "evil")] = b"x"  # type: ignore[attr-defined]
    assert check(ONE).verdict == "incomplete"
    assert not list(tmp_path.rglob("evil*"))


def test_archive_members_that_leave_the_cache_are_not_written(tfhub: Server, tmp_path: Path) -> None:
    (tfhub.root / "google").mkdir()
    packed(tfhub.root / "google" / "m", member("../../evil"))
    check("http://tfhub.dev/google/m")
    assert not list(tmp_path.rglob("evil*"))


def test_a_download_with_no_module_or_several_is_a_finding(kaggle: Server) -> None:
    files = kaggle.files  # type: ignore[attr-defined]
    whole = dict(files)
    for change, message in (({}, "no module here"), ({"one": 1, "two": 2}, "2 modules are in it, one, two")):
        files.clear()
        files.update({f"{folder}/{name}": data for folder in change for name, data in whole.items()} or {"a.txt": b"a"})
        (finding,) = check(ONE, cache=False).findings
        assert (finding.rule, message in finding.message) == ("module/readable", True)


def test_a_download_larger_than_the_limit_is_incomplete(kaggle: Server) -> None:
    from dataclasses import replace

    from hubcheck.module.limits import LIMITS

    kaggle.files["big"] = bytes(1 << 20)  # type: ignore[attr-defined]
    report = check(ONE, limits=replace(LIMITS, remote_bytes=1 << 19))
    assert report.verdict == "incomplete"


@pytest.mark.parametrize("uri", ["kaggle://google/m", "https://www.kaggle.com/models/google", "kaggle://a/b/c/d/e"])
def test_an_invalid_handle_is_an_error(uri: str) -> None:
    with pytest.raises(UserError, match="owner/model/framework/variation"):
        hubcheck.validate(uri, static=True)


@pytest.mark.parametrize(
    ("uri", "module", "package"),
    [("https://tfhub.dev/google/m/1", "tensorflow_hub", "tensorflow-hub"), (ONE, "kagglehub", "kagglehub")],
)
def test_a_missing_client_is_an_error_with_the_command_to_install_it(uri: str, module: str, package: str) -> None:
    hide = (
        "import importlib.util as u, sys; find = u.find_spec; "
        f"u.find_spec = lambda name, *rest: None if name == {module!r} else find(name, *rest); "
        "from hubcheck.cli.main import main; main()"
    )
    command = [sys.executable, "-c", hide, "validate", "--static", uri]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wanted = f"Error: {uri} needs {package}, which is not installed: `pip install {package}`\n"
    assert (done.returncode, done.stderr) == (2, wanted)


def test_resolving_a_handle_does_not_import_tensorflow_here(tfhub: Server) -> None:
    (tfhub.root / "google").mkdir()
    packed(tfhub.root / "google" / "m")
    code = (
        "import sys, hubcheck; report = hubcheck.validate('http://tfhub.dev/google/m', static=True); "
        "assert report.exit_code == 0; assert 'tensorflow' not in sys.modules"
    )
    environment_path = [str(library("0.16.1")), *sys.path]
    command = [sys.executable, "-c", f"import sys; sys.path[:0] = {environment_path!r}; {code}"]
    assert subprocess.run(command, check=False).returncode == 0
