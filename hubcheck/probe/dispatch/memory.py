"""How much memory a worker may have."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_SHARE = 0.8
_LEAST = 1 << 30


def fair_share(workers: int) -> int:
    """Bytes for each of so many workers, out of what is free on this machine or in this container."""
    return max(_LEAST, int(available() * _SHARE / max(1, workers)))


def available() -> int:
    """Bytes that could be had now without swapping, by the kernel and by the control group of this process."""
    free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        free = int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1]) * 1024
    for limit, used in (
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ):
        with contextlib.suppress(OSError, ValueError):
            most = Path(limit).read_text(encoding="ascii").strip()
            if most != "max":
                free = min(free, int(most) - int(Path(used).read_text(encoding="ascii")))
    return max(0, free)
