"""The memory limit of a worker: a share of what is free."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_USABLE = 0.8
"""The share of the free memory that all workers together may use."""

_MINIMUM = 1 << 30
_MEMBERSHIP = Path("/proc/self/cgroup")


class _Hierarchy(NamedTuple):
    """Where control groups are, and their files: the limit, what is used, and the key of what is reclaimed first."""

    root: Path
    limit: str
    used: str
    reclaimable: str


_VERSION_2 = _Hierarchy(Path("/sys/fs/cgroup"), "memory.max", "memory.current", "inactive_file")
_VERSION_1 = _Hierarchy(
    Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
)


def fair_share(workers: int) -> int:
    """Return the bytes for each of so many workers, out of what is free on this machine or in this container."""
    return max(_MINIMUM, int(_available() * _USABLE / max(1, workers)))


def _available() -> int:
    """Return the bytes that can be allocated without swapping, by the kernel and by this process's control groups."""
    free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        free = int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1]) * 1024
    for hierarchy, group in _control_groups():
        with contextlib.suppress(OSError, ValueError):  # "max", which is no number: no limit
            free = min(free, _left(hierarchy, group))
    return max(0, free)


def _control_groups() -> Iterator[tuple[_Hierarchy, Path]]:
    """Yield the control groups of this process that may limit its memory, and those above them."""
    with contextlib.suppress(OSError, ValueError):
        for line in _MEMBERSHIP.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers and "memory" not in controllers.split(","):
                continue
            hierarchy = _VERSION_1 if controllers else _VERSION_2
            group = hierarchy.root / path.lstrip("/")
            yield hierarchy, group
            yield from ((hierarchy, above) for above in group.parents if above.is_relative_to(hierarchy.root))


def _left(hierarchy: _Hierarchy, group: Path) -> int:
    """Return the bytes that a group may still use; raise ValueError or OSError if it has no limit."""
    limit = int((group / hierarchy.limit).read_text(encoding="ascii"))
    used = int((group / hierarchy.used).read_text(encoding="ascii"))
    rows = dict(line.split() for line in (group / "memory.stat").read_text(encoding="ascii").splitlines())
    return limit - used + int(rows.get(hierarchy.reclaimable, 0))
