"""What a worker may do: compute, read the module and its own installation, and write to its scratch folder."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hubcheck.sandbox.policy import SandboxPolicy

_MAX_FILE = 1 << 28
_LINKED_FOLDERS = ("variables", "assets", "assets.extra")
_PACKAGES = ("hubcheck", "tensorflow", "numpy", "google", "keras")
_SYSTEM = (
    *("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/opt/conda/lib"),
    *("/etc/ld.so.cache", "/etc/localtime", "/usr/share/zoneinfo"),
    *("/sys/devices/system", "/dev/urandom", "/dev/random", "/dev/zero"),
    # Of /proc, nothing of other processes.
    *("/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/sys/vm", "/proc/sys/kernel/osrelease"),
)
_GPU_READ = (
    *("/proc/driver", "/proc/devices", "/proc/modules", "/proc/version", "/proc/sys/kernel", "/sys/devices"),
    *("/usr/local/cuda", "/sys/bus/pci", "/sys/module/nvidia", "/etc/OpenCL", "/etc/nvidia"),
    "/run/nvidia-persistenced",
)


def policy_for(module: str, scratch: Path, device: str, *, mode: Any, timeout: float, memory: int) -> SandboxPolicy:
    """Return the policy for a worker.

    Args:
        module: the module's folder.
        scratch: the only folder in which the worker may write.
        device: "cpu" or "gpu"; a GPU's driver needs more.
        mode: whether the sandbox is required, used as far as available, or off.
        timeout: the deadline, in seconds.
        memory: bytes that the worker may allocate.
    """
    gpu = device == "gpu"
    return SandboxPolicy(
        mode=mode,
        read=(*_readable(module), *(_GPU_READ if gpu else ())),
        data=(module,),
        write=(str(scratch), "/dev/null"),
        devices=(*map(str, Path("/dev").glob("nvidia*")), "/dev/kfd", "/dev/dri", "/dev/dxg") if gpu else (),
        device_driver=gpu,
        cpu_seconds=int(timeout * (os.cpu_count() or 1)) + 5,
        file_bytes=_MAX_FILE,
        # The limit makes allocations fail before the machine runs out of memory. GPU drivers map more than they use.
        data_bytes=None if gpu else memory,
    )


def _readable(module: str) -> Iterator[str]:
    """Yield the module, the targets of its links (caches of modules consist of links), and what Python needs."""
    yield module
    yield from _link_targets(Path(module))
    yield from _SYSTEM
    yield from {sys.prefix, sys.base_prefix, sys.exec_prefix, *sysconfig.get_paths().values()}
    for package in _PACKAGES:
        for folder in getattr(sys.modules.get(package), "__path__", ()):
            yield str(Path(folder).parent if package == "tensorflow" else folder)
    yield from filter(None, os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep))


def _link_targets(module: Path) -> Iterator[str]:
    """Yield the targets of links to files anywhere in a module, and to the folders that TensorFlow reads."""
    folders = [module, *(module / name for name in _LINKED_FOLDERS)]
    yield from (os.path.realpath(folder) for folder in folders[1:] if folder.is_symlink())
    for folder in folders:
        for root, _, names in os.walk(folder):
            files = (Path(root, name) for name in names)
            yield from (os.path.realpath(file) for file in files if file.is_symlink() and file.is_file())
