"""Regular files are read; pipes and devices are refused at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hubcheck.module.limits import read_file


def test_a_file_is_read_whole_or_in_part(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"0123456789")
    assert read_file(file) == b"0123456789"
    assert read_file(file, offset=3) == b"3456789"
    assert read_file(file, offset=3, size=2) == b"34"
    assert read_file(file, offset=99) == b""


def test_a_link_to_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"text")
    (tmp_path / "link").symlink_to("file")
    assert read_file(tmp_path / "link") == b"text"


def test_a_file_beyond_the_limit_is_refused_but_a_part_of_it_can_be_read(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"0123456789")
    with pytest.raises(OSError, match="larger than 9 bytes"):
        read_file(file, max_bytes=9)
    assert read_file(file, size=9, max_bytes=9) == b"012345678"


def test_pipes_devices_and_folders_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        with pytest.raises(OSError, match="it is a"):
            read_file(path)


def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    test_pipes_devices_and_folders_are_refused_at_once(tmp_path)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
