"""What somebody else writes to a cache is not believed, and does not hurt: the module is checked again."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from hubcheck.remote.download_cache import DownloadCache
from hubcheck.run.options import Options
from hubcheck.run.resolved import resolve
from hubcheck.run.validate import stream
from tests.paths import DATA

NOBODY = 65534
SECRET = "0123456789abcdef-of-the-project"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DATA / "e_fixed_batch_1", tmp_path / "m"))


def check(cache: Path, module: Path) -> tuple[str, bool]:
    """The verdict, and whether it is from the cache."""
    (report,) = stream([module], resolve(Options(static=True, cache=cache)))
    return report.verdict, report.from_cache


def entries(cache: Path) -> list[Path]:
    return [file for file in cache.glob("??/*") if file.is_file()]


def forged(cache: Path, entry: Path, key: bytes) -> bytes:
    """An entry that says that the module conforms, as a user with this key would write it."""
    report = json.loads(entry.read_bytes().partition(b"\n")[2])
    report["findings"] = []
    for outcome in report["outcomes"]:
        outcome["status"] = "passed" if outcome["status"] == "failed" else outcome["status"]
    content = json.dumps(report).encode()
    name = entry.relative_to(cache).as_posix()
    return hmac.digest(key, f"report\n{name}\n".encode() + content, "sha256").hex().encode() + b"\n" + content


def test_the_forgery_of_these_tests_is_believed_if_the_key_is_right(cache: Path, bad: Path) -> None:
    check(cache, bad)
    (entry,) = entries(cache)
    entry.write_bytes(forged(cache, entry, (cache / "key").read_bytes()))
    assert check(cache, bad) == ("conforms", True)


@pytest.mark.parametrize("key", [b"", bytes(32), b"a" * 32], ids=["none", "zeros", "other"])
def test_an_entry_with_another_key_is_not_believed(cache: Path, bad: Path, key: bytes) -> None:
    check(cache, bad)
    (entry,) = entries(cache)
    entry.write_bytes(forged(cache, entry, key))
    assert check(cache, bad) == ("violates", False)
    assert check(cache, bad) == ("violates", True)


def test_the_entry_of_another_module_is_not_believed(cache: Path, bad: Path) -> None:
    check(cache, bad)
    (entry,) = entries(cache)
    assert check(cache, DATA / "a_good_feature_vector")[0] == "conforms"
    (other,) = {*entries(cache)} - {entry}
    shutil.copy(other, entry)
    assert check(cache, bad) == ("violates", False)


def readable_by_others(key: Path) -> None:
    key.write_bytes(b"k" * 32)
    key.chmod(0o644)


def of_another_user(key: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    key.write_bytes(b"k" * 32)
    os.chown(key, NOBODY, NOBODY)


def link(key: Path) -> None:
    target = key.with_name("elsewhere")
    target.write_bytes(b"k" * 32)
    target.chmod(0o600)
    key.unlink()
    key.symlink_to(target)


def pipe(key: Path) -> None:
    key.unlink()
    os.mkfifo(key, 0o600)


@pytest.mark.parametrize("plant", [readable_by_others, of_another_user, link, pipe])
def test_a_key_that_is_not_the_users_alone_is_replaced(cache: Path, bad: Path, plant) -> None:
    check(cache, bad)
    plant(cache / "key")
    (entry,) = entries(cache)
    entry.write_bytes(forged(cache, entry, b"k" * 32))
    assert check(cache, bad) == ("violates", False)
    assert check(cache, bad) == ("violates", True)
    info = (cache / "key").lstat()
    assert (info.st_mode, info.st_uid) == (0o100600, os.geteuid())
    assert cache.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("kind", ["pipe", "link", "folder", "device"])
def test_an_entry_that_is_no_file_counts_as_missing(cache: Path, bad: Path, kind: str) -> None:
    check(cache, bad)
    (entry,) = entries(cache)
    entry.rename(cache / "genuine")
    match kind:
        case "pipe":
            os.mkfifo(entry)
        case "link":
            entry.symlink_to(cache / "genuine")
        case "folder":
            entry.mkdir()
        case "device":
            entry.symlink_to("/dev/zero")
    assert check(cache, bad) == ("violates", False)


def test_a_link_in_the_cache_does_not_remove_files_elsewhere(cache: Path, bad: Path, tmp_path: Path) -> None:
    check(cache, bad)
    (entry,) = entries(cache)
    victim = tmp_path / "documents"
    victim.mkdir()
    names = {f"{number}.txt" for number in range(100)}
    for name in names:
        (victim / name).touch()
    shutil.rmtree(entry.parent)
    entry.parent.symlink_to(victim)
    check(cache, bad)
    assert names <= {file.name for file in victim.iterdir()}


def test_a_secret_in_the_environment_shares_a_cache(
    cache: Path, bad: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUBCHECK_CACHE_KEY", SECRET)
    check(cache, bad)
    assert not (cache / "key").exists()
    restored = Path(shutil.copytree(cache, tmp_path / "restored"))
    if os.geteuid() == 0:
        for file in (restored, *restored.rglob("*")):
            os.chown(file, NOBODY, NOBODY)
    assert check(restored, bad) == ("violates", True)
    monkeypatch.setenv("HUBCHECK_CACHE_KEY", SECRET + "!")
    assert check(restored, bad) == ("violates", False)
    monkeypatch.delenv("HUBCHECK_CACHE_KEY")
    assert check(restored, bad) == ("violates", False)


def test_a_secret_that_can_be_guessed_is_an_error(bad: Path) -> None:
    command = [sys.executable, "-m", "hubcheck", "validate", "--static", str(bad)]
    environment = os.environ | {"HUBCHECK_CACHE_KEY": "secret"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "Error: HUBCHECK_CACHE_KEY has less than 16 characters: use `openssl rand -hex 32`\n"


def test_reports_of_runs_are_sealed_as_well(cache: Path, bad: Path) -> None:
    settings = replace(Options(static=True, cache=cache), fail_on="warning")
    list(stream([bad], resolve(settings)))
    (entry,) = entries(cache)
    entry.write_bytes(b"0" * 64 + b"\n" + entry.read_bytes().partition(b"\n")[2])
    (report,) = stream([bad], resolve(settings))
    assert not report.from_cache


def test_a_forged_record_of_a_valid_configuration_is_not_believed(bad: Path, tmp_path: Path) -> None:
    (tmp_path / "hubcheck.toml").write_text("static = true\n")
    records = tmp_path / "xdg" / "hubcheck" / "configurations"
    command = [sys.executable, "-m", "hubcheck", "validate", "--static", str(bad)]

    def run() -> int:
        environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "xdg")}
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False).returncode

    assert run() == 1
    (record,) = (file for file in records.iterdir() if file.name != "key")
    content = b"no-such-key = 1\n"
    (tmp_path / "hubcheck.toml").write_bytes(content)
    schema = (Path(__file__).parents[2] / "rules" / "schema" / "config.schema.json").read_bytes()
    digest = hashlib.sha256(schema + content).digest()
    record.write_bytes(record.read_bytes()[:65] + digest)
    assert run() == 2


class TestDownloads:
    URI = "memory://m/saved_model.pb"

    def store(self, folder: Path, content: bytes) -> tuple[DownloadCache, Path, Path]:
        """A cache with one download; its record and its object."""
        cache = DownloadCache(folder / "cache", 1 << 30)
        file = folder / "download"
        file.write_bytes(content)
        cache.add(self.URI, "v", file)
        file.unlink()
        (record,) = (folder / "cache" / "records").glob("*/*")
        (stored,) = (folder / "cache" / "objects").glob("*/*")
        return cache, record, stored

    def test_a_download_is_restored(self, tmp_path: Path) -> None:
        cache, _, _ = self.store(tmp_path, b"genuine")
        assert cache.restore(self.URI, "v", tmp_path / "out")
        assert (tmp_path / "out").read_bytes() == b"genuine"

    def test_a_forged_record_is_not_believed(self, tmp_path: Path) -> None:
        cache, record, stored = self.store(tmp_path, b"genuine")
        digest = hashlib.sha256(b"hostile").hexdigest()
        other = stored.parents[1] / digest[:2] / digest[2:]
        other.parent.mkdir(exist_ok=True)
        other.write_bytes(b"hostile")
        seal, _, content = record.read_bytes().partition(b"\n")
        fields = json.loads(content) | {"object": digest, "size": 7}
        for forgery in (json.dumps(fields).encode(), seal + b"\n" + json.dumps(fields).encode()):
            record.write_bytes(forgery)
            assert not cache.restore(self.URI, "v", tmp_path / "out")
            assert not (tmp_path / "out").exists()

    def test_an_object_that_others_can_write_to_cannot_change_after_it_was_checked(self, tmp_path: Path) -> None:
        cache, _, stored = self.store(tmp_path, b"genuine")
        stored.chmod(0o666)
        with stored.open("r+b") as held:
            assert cache.restore(self.URI, "v", tmp_path / "out")
            held.write(b"hostile")
        assert (tmp_path / "out").read_bytes() == b"genuine"

    @pytest.mark.parametrize("target", ["/dev/zero", "replaced"])
    def test_an_object_that_is_a_link_is_not_followed(self, tmp_path: Path, target: str) -> None:
        cache, _, stored = self.store(tmp_path, b"genuine")
        (tmp_path / "replaced").write_bytes(b"genuine")
        stored.unlink()
        stored.symlink_to(tmp_path / target)
        assert not cache.restore(self.URI, "v", tmp_path / "out")

    def test_a_cache_folder_that_others_can_write_to_gets_no_downloads_in_progress(self, tmp_path: Path) -> None:
        cache, _, _ = self.store(tmp_path, b"genuine")
        assert cache.scratch_parent() == tmp_path / "cache" / "open"
        (tmp_path / "cache").chmod(0o777)
        assert cache.scratch_parent() is None
