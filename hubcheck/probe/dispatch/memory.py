"""The memory limit of a worker: a share of what is free."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_USABLE = 0.8
"""The share of the free memory that all workers together may use."""

_MINIMUM = 1 << 30


def fair_share(workers: int) -> int:
    """Return the bytes for each of so many workers, out of what is free on this machine or in this container."""
    return max(_MINIMUM, int(_available() * _USABLE / max(1, workers)))


def _available() -> int:
    """Return the bytes that can be allocated without swapping, by the kernel and by this process's control group."""
    has_free = "SC_AVPHYS_PAGES" in os.sysconf_names  # macOS only tells what there is
    free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES" if has_free else "SC_PHYS_PAGES")
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        free = int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1]) * 1024
    for limit, used in (
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ):
        with contextlib.suppress(OSError, ValueError):  # "max", which is no number: no limit
            free = min(free, int(Path(limit).read_text(encoding="ascii")) - int(Path(used).read_text(encoding="ascii")))
    return max(0, free)
