"""What this machine offers for checks: cores, and processes of their own."""

from __future__ import annotations

import os
import sys

HAS_WORKERS = sys.platform in ("linux", "darwin")
"""Whether modules can be read by other processes, which are watched through pipes. Windows and browsers cannot."""


def cores() -> int:
    """Return how many cores this process may use; on macOS and Windows, how many there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
