"""What a worker may do: compute, read the module and its own installation, and write to its scratch folder."""

from __future__ import annotations

import importlib.util
import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from hubcheck.module.module_files import LinkedFile
from hubcheck.sandbox.policy import SandboxPolicy

_MAX_FILE = 1 << 28
MAX_SCRATCH = 1 << 29
"""Maximal bytes of all files in a worker's scratch folder."""
_PACKAGES = ("hubcheck", "tensorflow", "numpy", "google", "keras")
_SYSTEM = (
    *("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/opt/conda/lib"),
    *("/etc/ld.so.cache", "/etc/localtime", "/usr/share/zoneinfo"),
    *("/sys/devices/system", "/dev/urandom", "/dev/random", "/dev/zero"),
    # Of /proc, nothing of other processes.
    *("/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/sys/vm", "/proc/sys/kernel/osrelease"),
)
_GPU_DEVICES = (
    *("/dev/kfd", "/dev/dri", "/dev/dxg"),
    # NVIDIA's driver writes the names of its threads to /proc/self/task/*/comm, and gives up where it cannot.
    "/proc/self/task",
)
_GPU_READ = (
    *("/proc/driver", "/proc/devices", "/proc/modules", "/proc/version", "/proc/sys/kernel", "/sys/devices"),
    *("/usr/local/cuda", "/sys/bus/pci", "/sys/module/nvidia", "/etc/OpenCL", "/etc/nvidia"),
    "/run/nvidia-persistenced",
)


def policy_for(
    module: str,
    linked: Iterable[LinkedFile],
    scratch: Path,
    device: str,
    *,
    mode: Any,
    timeout: float,
    memory: int,
) -> SandboxPolicy:
    """Return the policy for a worker.

    Args:
        module: the module's folder.
        linked: the files outside of it that it consists of.
        scratch: the only folder in which the worker may write.
        device: "cpu" or "gpu"; a GPU's driver needs more.
        mode: whether the sandbox is required, used as far as available, or off.
        timeout: the deadline, in seconds.
        memory: bytes that the worker may allocate.
    """
    gpu = device == "gpu"
    return SandboxPolicy(
        mode=mode,
        read=(*_readable(module, linked), *(_GPU_READ if gpu else ())),
        data=(module,),
        write=(str(scratch), "/dev/null"),
        devices=(*map(str, Path("/dev").glob("nvidia*")), *_GPU_DEVICES) if gpu else (),
        device_driver=gpu,
        cpu_seconds=int(timeout * (os.cpu_count() or 1)) + 5,
        file_bytes=_MAX_FILE,
        scratch_bytes=MAX_SCRATCH,
        # The limit makes allocations fail before the machine runs out of memory. GPU drivers map more than they use.
        data_bytes=None if gpu else memory,
    )


def _readable(module: str, linked: Iterable[LinkedFile]) -> Iterator[str]:
    """Yield the module, and what Python needs.

    Of several names of one file outside of the module only one counts: if paths were exchanged, `changed_file` then
    cannot open the file under its other names.
    """
    yield module
    yield from {(file.device, file.inode): file.path for file in linked}.values()
    yield from _SYSTEM
    yield from {sys.prefix, sys.base_prefix, sys.exec_prefix, *sysconfig.get_paths().values()}
    for package in _PACKAGES:  # imported or not: TensorFlow imports Keras when a module needs it
        spec = importlib.util.find_spec(package)
        for folder in (spec and spec.submodule_search_locations) or ():
            yield str(Path(folder).parent if package == "tensorflow" else folder)
    yield from filter(None, os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep))


def changed_file(module: str, linked: Mapping[str, LinkedFile]) -> str | None:
    """Return the name of a linked file that this process, in its sandbox, cannot open as the one that was judged."""
    for name, file in linked.items():
        try:
            descriptor = os.open(f"{module}/{name}", os.O_RDONLY | os.O_NONBLOCK)
        except OSError:
            return name
        try:
            info = os.fstat(descriptor)
        finally:
            os.close(descriptor)
        if (info.st_dev, info.st_ino) != (file.device, file.inode):
            return name
    return None
