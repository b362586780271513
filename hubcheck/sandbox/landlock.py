"""Landlock: restrict which files, sockets and processes a process can reach. Needs no privileges.

The rules bind the calling thread and the threads and processes that it starts later, and cannot be lifted.

Source: https://docs.kernel.org/userspace-api/landlock.html
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import stat
import sys
from collections.abc import Iterator

from hubcheck.sandbox.policy import Layer, SandboxPolicy

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same numbers on every architecture
_VERSION = 1
_PATH_BENEATH = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REMOVE_DIR, _REMOVE_FILE = 1 << 4, 1 << 5
_MAKE_DIR, _MAKE_REG = 1 << 7, 1 << 8
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
_FILE_RIGHTS = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV

_READ = _READ_FILE | _READ_DIR
_WRITE = _READ | _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _TRUNCATE
_DEVICE = _READ | _WRITE_FILE | _TRUNCATE | _IOCTL_DEV

# The number of file rights that each version of Landlock knows.
_FILE_BITS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_NETWORK_SINCE, _BIND_AND_CONNECT_TCP = 4, 0b11
_SCOPES_SINCE, _ABSTRACT_SOCKETS_AND_SIGNALS = 6, 0b11


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def version() -> int:
    """Return the version of the kernel's Landlock, or 0 if it has none or has it switched off."""
    if sys.platform != "linux":
        return 0
    try:
        return max(0, _call(_CREATE_RULESET, None, 0, _VERSION))
    except OSError:
        return 0


def _unavailable() -> str | None:
    if version() == 0:
        return "the kernel has no Landlock (Linux 5.13 or newer, with `landlock` among its security modules)"
    return None


def _apply(policy: SandboxPolicy) -> Iterator[str]:
    known = version()
    bits = _FILE_BITS.get(known, _FILE_BITS[max(_FILE_BITS)])
    ruleset = _Ruleset((1 << bits) - 1, 0, 0)
    size = 8
    if known >= _NETWORK_SINCE and not policy.network:
        ruleset.network, size = _BIND_AND_CONNECT_TCP, 16
    if known >= _SCOPES_SINCE:
        ruleset.scoped, size = _ABSTRACT_SOCKETS_AND_SIGNALS, 24
    descriptor = _call(_CREATE_RULESET, ctypes.byref(ruleset), size, 0)
    try:
        for rights, paths in ((_READ, policy.read), (_WRITE, policy.write), (_DEVICE, policy.devices)):
            for path in paths:
                _allow(descriptor, path, rights & ruleset.files)
        _call(_RESTRICT_SELF, descriptor, 0)
    finally:
        os.close(descriptor)
    yield "files (Landlock)"
    if ruleset.network:
        yield "TCP (Landlock)"
    if ruleset.scoped:
        yield "signals (Landlock)"


def _allow(ruleset: int, path: str, rights: int) -> None:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
        parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            if not stat.S_ISDIR(os.fstat(parent).st_mode):
                rights &= _FILE_RIGHTS
            rule = _PathBeneath(rights, parent)
            _call(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0)
        finally:
            os.close(parent)


def _call(number: int, *arguments: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    converted = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result = int(libc.syscall(ctypes.c_long(number), *converted))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"Landlock: {os.strerror(code)}")
    return result


def _limitation(policy: SandboxPolicy) -> str:
    return _weakness() or "the policy allows it"


def _weakness() -> str | None:
    return (
        None if version() >= _SCOPES_SINCE else f"version {version()} of Landlock; {_SCOPES_SINCE} has it (Linux 6.12)"
    )


LAYER = Layer(
    "landlock",
    ("files (Landlock)", "TCP (Landlock)", "signals (Landlock)"),
    _unavailable,
    _apply,
    _limitation,
    _weakness,
)
