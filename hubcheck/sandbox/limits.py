"""Resource limits that the kernel enforces for a process."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path

from hubcheck.sandbox.policy import SandboxPolicy

_MAX_OPEN_FILES = 4096


def apply(policy: SandboxPolicy) -> Iterator[str]:
    """Lower the limits of this process to those of the policy; yield the name of each limit."""
    import resource  # not on Windows

    limits = (
        ("CPU time", resource.RLIMIT_CPU, policy.cpu_seconds),
        ("file size", resource.RLIMIT_FSIZE, policy.file_bytes),
        ("core dumps", resource.RLIMIT_CORE, 0),
        ("open files", resource.RLIMIT_NOFILE, _MAX_OPEN_FILES),
        ("writable memory", resource.RLIMIT_DATA, policy.data_bytes and _data_size() + policy.data_bytes),
    )
    for name, limit, value in limits:
        if value is not None:
            hard = resource.getrlimit(limit)[1]
            lowered = value if hard == resource.RLIM_INFINITY else min(value, hard)
            with contextlib.suppress(OSError, ValueError):
                resource.setrlimit(limit, (lowered, lowered))
                yield name
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # writing beyond the limit raises an error instead of killing


def _data_size() -> int:
    """Return the bytes of writable memory that this process has mapped, which RLIMIT_DATA counts."""
    with contextlib.suppress(OSError, StopIteration), Path("/proc/self/status").open(encoding="ascii") as status:
        return int(next(line for line in status if line.startswith("VmData:")).split()[1]) * 1024
    return 1 << 30
