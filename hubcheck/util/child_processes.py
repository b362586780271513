"""Start Python programs of hubcheck in child processes that import the same code as this process."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_PARENT_OF_PACKAGE = str(Path(__file__).resolve().parents[2])


def import_path() -> str:
    """Return where this process imports from, hubcheck itself included, in the form of PYTHONPATH."""
    return os.pathsep.join(dict.fromkeys([*filter(None, sys.path), _PARENT_OF_PACKAGE]))


def child_environment(**variables: str) -> dict[str, str]:
    """Return this process's environment for a child that imports from the same places, with further variables."""
    return {**os.environ, "PYTHONPATH": import_path(), **variables}
