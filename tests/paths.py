"""Where tests find modules that are files."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "tests" / "data"
SHARED = ROOT.parent / "shared" / "modules"
"""Modules of other projects, which are not in this repository; tests do without where they are not there."""


def modules_at_hand() -> list[Path]:
    """Every module that is there as files, ours and, where they are there, those of other projects."""
    found = [file.parent for root in (DATA, SHARED) if root.is_dir() for file in root.rglob("saved_model.pb")]
    return sorted(found)
