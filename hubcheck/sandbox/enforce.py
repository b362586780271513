"""What a worker may do: read the module and its own installation, compute, and answer. Nothing else."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from hubcheck.sandbox import landlock, seccomp
from hubcheck.sandbox import processes as system

Mode = Literal["required", "auto", "off"]

_PR_SET_NO_NEW_PRIVS = 38
_MAX_FILE = 1 << 28
_FILES = "files (Landlock)"
_FOLDERS = ("variables", "assets", "assets.extra")
_SYSTEM = (
    *("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/opt/conda/lib"),
    *("/etc/ld.so.cache", "/etc/localtime", "/usr/share/zoneinfo"),
    *("/proc", "/sys/devices", "/dev/urandom", "/dev/random", "/dev/zero"),
)
_GPU_READ = (
    "/usr/local/cuda",
    "/sys/bus/pci",
    "/sys/module/nvidia",
    "/etc/OpenCL",
    "/etc/nvidia",
    "/run/nvidia-persistenced",
)


class SandboxUnavailable(RuntimeError):
    """The sandbox is required, and this machine does not have it; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Protections:
    """What a worker is kept from, and what it would be kept from if the machine could."""

    active: tuple[str, ...]
    missing: tuple[str, ...]


def unavailable() -> str | None:
    """Why this machine cannot have the whole sandbox, or None."""
    if landlock.version() == 0:
        return "the kernel has no Landlock (Linux 5.13 or newer, and `landlock` among its security modules)"
    if not seccomp.available():
        return "the kernel has no seccomp filters, or this processor's system calls are not known"
    return None


def enter(scratch: Path, module: str, settings: Mapping[str, Any], *, device: str) -> Protections:
    """Give up whatever a module does not need. For the process that will run it, before it has threads.

    Args:
        scratch: the one folder in which it may write.
        module: the module's folder, which it may read.
        settings: "sandbox" (a Mode), "timeout" (s) and "memory" (bytes).
        device: "cpu" or "gpu"; drivers of the latter need more.

    Raises:
        SandboxUnavailable: it is required and cannot be had.
    """
    _limits(settings, device=device)
    for name in ("TMPDIR", "HOME", "CUDA_CACHE_PATH"):
        os.environ[name] = str(scratch)
    os.chdir(scratch)
    active = ["deadline", "memory", "CPU time, file size and core dumps"]
    missing: list[str] = []
    if settings["sandbox"] == "off":
        return Protections(tuple(active), (_FILES, "new processes and programs (seccomp)", "network (seccomp)"))
    system.prctl(_PR_SET_NO_NEW_PRIVS, 1)
    active.append("new privileges")
    readable, devices = list(_readable(module)), list[str]()
    if device == "gpu":
        readable += _GPU_READ
        devices = [str(node) for node in Path("/dev").glob("nvidia*")] + ["/dev/kfd", "/dev/dri", "/dev/dxg"]
    try:
        if landlock.version() == 0:
            raise OSError("the kernel has no Landlock")
        active += landlock.restrict(read=readable, write=[str(scratch), "/dev/null"], devices=devices)
    except OSError as error:
        missing.append(f"{_FILES}: {error.strerror or error}")
    try:
        if device == "gpu":
            raise OSError("a GPU's driver needs what the filter refuses")
        if not seccomp.available():
            raise OSError("not on this machine")
        active += seccomp.restrict()
    except OSError as error:
        missing.append(f"new processes and network (seccomp): {error.strerror or error}")
    if settings["sandbox"] == "required" and (missing if device == "cpu" else _FILES not in active):
        raise SandboxUnavailable("; ".join(missing))
    return Protections(tuple(active), tuple(missing))


def _linked(module: Path) -> Iterator[str]:
    """What the links in a module lead to: files anywhere in it, and the folders that TensorFlow reads."""
    folders = [module, *(module / name for name in _FOLDERS)]
    yield from (os.path.realpath(folder) for folder in folders[1:] if folder.is_symlink())
    for folder in folders:
        for root, _, names in os.walk(folder):
            files = (Path(root, name) for name in names)
            yield from (os.path.realpath(file) for file in files if file.is_symlink() and file.is_file())


def _limits(settings: Mapping[str, Any], *, device: str) -> None:
    """Limits that the kernel keeps by itself; the server watches memory and time besides."""
    seconds = int(settings["timeout"] * (os.cpu_count() or 1)) + 5
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_CPU, seconds)
    _lower(resource.RLIMIT_FSIZE, _MAX_FILE)
    # Writing beyond the limit shall fail, not kill.
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    if device == "cpu":
        # Drivers of GPUs map far more than they use; elsewhere this makes allocations fail instead of the machine.
        _lower(resource.RLIMIT_DATA, system.data_size() + settings["memory"])


def _lower(limit: int, value: int) -> None:
    hard = resource.getrlimit(limit)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(limit, (value, value))


def _readable(module: str) -> Iterator[str]:
    """The module, with what its links name (model caches are full of them), and what Python needs."""
    yield module
    yield from _linked(Path(module))
    yield from _SYSTEM
    yield from {sys.prefix, sys.base_prefix, sys.exec_prefix, *sysconfig.get_paths().values()}
    for package in ("hubcheck", "tensorflow", "numpy", "google", "keras"):
        found = sys.modules.get(package)
        for folder in getattr(found, "__path__", ()):
            yield str(Path(folder).parent if package == "tensorflow" else folder)
    yield from filter(None, os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep))
