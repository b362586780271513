"""Downloads are cached by content, undamaged and within the size limit."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from hubcheck.module.limits import LIMITS
from hubcheck.remote.download_cache import DownloadCache
from tests.paths import DATA
from tests.remote.reports import GOOD, check
from tests.remote.server import Server


def objects(cache: Path) -> list[Path]:
    return sorted(file for file in cache.glob("objects/*/*") if file.is_file())


def test_objects_are_named_by_their_digest(server: Server, cache: Path) -> None:
    check(server.uri(GOOD))
    assert objects(cache)
    for file in objects(cache):
        assert hashlib.sha256(file.read_bytes()).hexdigest() == file.parent.name + file.name
    records = [json.loads(file.read_bytes().partition(b"\n")[2]) for file in cache.glob("records/*/*")]
    assert server.uri(f"{GOOD}/saved_model.pb") in {record["uri"] for record in records}


def test_no_temporary_files_are_left(server: Server, cache: Path) -> None:
    check(server.uri(GOOD))
    assert list((cache / "open").iterdir()) == []
    assert not [file for file in cache.rglob(".*") if file.is_file()]


def test_equal_files_are_cached_once(server: Server, cache: Path) -> None:
    check(server.uri(GOOD))
    before = objects(cache)
    server.root = server.root.parent
    check(server.uri(f"data/{GOOD}"))
    assert objects(cache) == before


@pytest.mark.parametrize("damage", [b"", b"garbage", None], ids=["empty", "other bytes", "gone"])
def test_a_damaged_object_is_replaced(server: Server, cache: Path, damage: bytes | None) -> None:
    first = check(server.uri(GOOD))
    whole = {file: file.read_bytes() for file in objects(cache)}
    for file in whole:
        file.unlink()
        if damage is not None:
            file.write_bytes(damage)
    server.forget()
    assert check(server.uri(GOOD)).findings == first.findings
    assert server.got(f"{GOOD}/saved_model.pb") == 1
    assert {file: file.read_bytes() for file in objects(cache)} == whole
    server.forget()
    check(server.uri(GOOD))
    assert server.fetched() == []


def test_an_object_with_a_flipped_bit_is_replaced(server: Server, cache: Path) -> None:
    check(server.uri(GOOD))
    for file in objects(cache):
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 1
        file.chmod(0o644)
        file.write_bytes(data)
    assert check(server.uri(GOOD)).verdict == "conforms"
    assert all(hashlib.sha256(f.read_bytes()).hexdigest() == f.parent.name + f.name for f in objects(cache))


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b'{"object": "../../../../etc/passwd", "size": 1, "validator": "x"}']
)
def test_a_damaged_record_is_replaced(server: Server, cache: Path, text: bytes) -> None:
    check(server.uri(GOOD))
    for file in cache.glob("records/*/*"):
        file.write_bytes(text)
    server.forget()
    assert check(server.uri(GOOD)).verdict == "conforms"
    assert server.got(f"{GOOD}/saved_model.pb") == 1


def test_concurrent_runs_share_a_cache(server: Server, cache: Path) -> None:
    command = [sys.executable, "-m", "hubcheck", "validate", "--static", "--format", "json", server.uri(GOOD)]
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: subprocess.run(command, capture_output=True, check=False), range(4)))
    assert [one.returncode for one in done] == [0] * 4
    assert len(objects(cache)) == 4


def test_files_of_a_killed_run_are_removed_by_the_next_one(server: Server, cache: Path) -> None:
    begun = []

    def kills(handler, content: bytes) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content[:1000])
        handler.wfile.flush()
        begun.append(handler)
        process.kill()
        process.wait()

    server.overrides[f"/{GOOD}/saved_model.pb"] = kills
    command = [sys.executable, "-m", "hubcheck", "validate", "--static", server.uri(GOOD)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    process.wait()
    assert begun
    server.overrides.clear()
    (left,) = (cache / "open").iterdir()
    assert check(server.uri(GOOD)).verdict == "conforms"
    assert not left.exists()


def test_the_oldest_files_are_evicted(tmp_path: Path) -> None:
    store = DownloadCache(tmp_path / "store", 10 * 4096 * 2)
    for number in range(30):
        file = tmp_path / "file"
        file.unlink(missing_ok=True)
        file.write_bytes(os.urandom(4096))
        store.add(f"memory://{number}", "v", file)
        for kept in (tmp_path / "store").glob("*/*/*"):
            if time.time() - kept.stat().st_mtime < 1000:
                os.utime(kept, (number + 1, number + 1))
        store.evict()
    left = [number for number in range(30) if store.restore(f"memory://{number}", "v", tmp_path / f"out{number}")]
    assert left == list(range(30 - len(left), 30))
    assert 5 <= len(left) <= 10


def test_the_size_limit_can_be_configured(server: Server, cache: Path) -> None:
    check(server.uri(GOOD), limits=replace(LIMITS, cache_bytes=1))
    assert objects(cache) == []


def test_a_cache_that_cannot_be_written_does_not_fail_a_check(server: Server, cache: Path) -> None:
    cache.parent.mkdir(parents=True)
    cache.touch()
    assert check(server.uri(GOOD)).verdict == "conforms"


def test_the_option_no_cache_disables_the_cache(server: Server, cache: Path) -> None:
    command = [sys.executable, "-m", "hubcheck", "validate", "--static", "--no-cache", server.uri(GOOD)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    assert not cache.exists()


def test_cached_objects_are_read_only(server: Server, cache: Path) -> None:
    check(server.uri(GOOD))
    assert all(file.stat().st_mode & 0o222 == 0 for file in objects(cache))
    assert (DATA / GOOD).exists()
