"""Folders are removed whatever is in them."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from hubcheck.util.folders import remove_folder


@pytest.mark.parametrize("depth", [0, 1, 3, 5_000])
def test_a_tree_of_any_depth_is_removed(depth, tmp_path):
    top, here = tmp_path / "top", Path.cwd()
    top.mkdir()
    try:
        os.chdir(top)
        for _ in range(depth):
            Path("file").write_bytes(b"x")
            Path("folder").mkdir()
            os.chdir("folder")
    finally:
        os.chdir(here)
    remove_folder(top)
    assert not top.exists()


def test_links_are_removed_and_not_followed(tmp_path):
    kept, top = tmp_path / "kept", tmp_path / "top"
    kept.mkdir()
    (kept / "file").write_bytes(b"x")
    top.mkdir()
    (top / "link").symlink_to(kept)
    (top / "loop").symlink_to(top)
    (top / "nowhere").symlink_to(tmp_path / "missing")
    remove_folder(top)
    assert not top.exists()
    assert (kept / "file").exists()


def test_folders_without_permissions_and_a_wide_tree_are_removed(tmp_path):
    draw, top = random.Random(0), tmp_path / "top"
    folders = [top]
    top.mkdir()
    for number in range(300):
        folder = draw.choice(folders) / str(number % 7)
        if not folder.exists():
            folder.mkdir()
            folders.append(folder)
    for folder in folders[1::3]:
        folder.chmod(0)
    remove_folder(top)
    assert not top.exists()


def test_names_that_the_removal_may_use_are_no_obstacle(tmp_path):
    top = tmp_path / "top"
    for name in ("a/b/c", "a/d/e", ".removed-1/x/y", ".removed-2/x", ".removed-3/x"):
        (top / name).mkdir(parents=True)
    remove_folder(top)
    assert not top.exists()


def test_a_folder_that_is_not_there_is_no_error(tmp_path):
    remove_folder(tmp_path / "missing")
