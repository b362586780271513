"""What is kept of data files is used while they are the same, and never otherwise."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from hubcheck.util import compiled as module
from hubcheck.util.compiled import compiled


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "__spec__", SimpleNamespace(cached=str(tmp_path / "bytecode")))
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    made = [tmp_path / name for name in ("a", "b")]
    for file in made:
        file.write_text(file.name)
    return list(map(str, made))


def parsed(files: list[str]) -> tuple[list[str], list[str]]:
    """What is returned, and the files that were parsed for it."""
    read: list[str] = []

    def parse(file: str) -> str:
        read.append(file)
        return Path(file).read_text()

    return list(compiled("test", files, parse).values()), read


def test_files_are_parsed_once(files):
    assert parsed(files) == (["a", "b"], files)
    assert parsed(files) == (["a", "b"], [])
    assert parsed(files[:1]) == (["a"], files[:1])


def test_a_file_of_the_same_size_and_time_is_parsed_again(files):
    parsed(files)
    before = Path(files[0]).stat()
    Path(files[0]).write_text("c")
    os.utime(files[0], ns=(before.st_atime_ns, before.st_mtime_ns))
    assert parsed(files) == (["c", "b"], files)


@pytest.mark.parametrize("damage", [b"", b"\0", b"N", b"[", b"(\xff\xff\xff\xff"])
def test_a_damaged_file_is_replaced(files, damage, tmp_path):
    parsed(files)
    (tmp_path / "bytecode-test").write_bytes(damage)
    assert parsed(files) == (["a", "b"], files)
    assert parsed(files) == (["a", "b"], [])


def test_nothing_is_kept_where_no_bytecode_is(files, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    parsed(files)
    monkeypatch.setattr(module, "__spec__", SimpleNamespace(cached=None))
    assert parsed(files) == (["a", "b"], files)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a", "b"]
