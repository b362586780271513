"""seccomp: a filter of system calls that refuses new processes, sockets, signals to others and administration.

It covers what Landlock does not know, and it binds root as well. A refused call fails with EPERM instead of killing
the process.

Source: https://docs.kernel.org/userspace-api/seccomp_filter.html
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Iterator
from pathlib import Path

from hubcheck.sandbox.policy import Layer, SandboxPolicy

_PR_SET_SECCOMP, _FILTER = 22, 2
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_LOAD, _JUMP_EQUAL, _JUMP_GREATER, _JUMP_BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
_CLONE_THREAD = 0x00010000
_X32 = 0x40000000

_AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

_TABLE = Path(__file__).with_name("system_calls.txt").read_text(encoding="ascii").splitlines()
_REFUSED = [tuple(line.split()[1:]) for line in _TABLE if not line.startswith("#")]
"""The number of each refused call on x86_64 and on aarch64; "-" if the call does not exist there."""

_CLONE, _CLONE3 = (56, 220), (435, 435)
_TGKILL, _PRLIMIT = (234, 131), (302, 261)


def _unavailable() -> str | None:
    if platform.machine() not in _AUDIT:
        return f"the numbers of the system calls on {platform.machine()} are not known"
    return None if Path("/proc/sys/kernel/seccomp").exists() else "the kernel has no seccomp filters"


def _apply(policy: SandboxPolicy) -> Iterator[str]:
    code = b"".join(_program(os.getpid()))
    buffer = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_SECCOMP, ctypes.c_ulong(_FILTER), program, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"seccomp: {os.strerror(ctypes.get_errno())}")
    yield from LAYER.protects


def _program(pid: int) -> Iterator[bytes]:
    column = list(_AUDIT).index(platform.machine())
    deny = _ERRNO | errno.EPERM
    yield _instruction(_LOAD, _ARCHITECTURE)
    yield _instruction(_JUMP_EQUAL, _AUDIT[platform.machine()], 1, 0)
    yield _instruction(_RETURN, deny)
    yield _instruction(_LOAD, _NUMBER)
    if column == 0:
        yield _instruction(_JUMP_GREATER, _X32, 0, 1)
        yield _instruction(_RETURN, deny)
    for numbers in _REFUSED:
        if numbers[column] != "-":
            yield _instruction(_JUMP_EQUAL, int(numbers[column]), 0, 1)
            yield _instruction(_RETURN, deny)
    # A filter cannot see the flags of clone3; with ENOSYS the C library falls back to clone.
    yield _instruction(_JUMP_EQUAL, _CLONE3[column], 0, 1)
    yield _instruction(_RETURN, _ERRNO | errno.ENOSYS)
    # clone may start a thread, but no process.
    yield _instruction(_JUMP_EQUAL, _CLONE[column], 0, 4)
    yield _instruction(_LOAD, _ARGUMENTS)
    yield _instruction(_JUMP_BITS, _CLONE_THREAD, 1, 0)
    yield _instruction(_RETURN, deny)
    yield _instruction(_RETURN, _ALLOW)
    # tgkill may send signals to this process only: abort() needs it.
    yield _instruction(_JUMP_EQUAL, _TGKILL[column], 0, 4)
    yield _instruction(_LOAD, _ARGUMENTS)
    yield _instruction(_JUMP_EQUAL, pid, 1, 0)
    yield _instruction(_RETURN, deny)
    yield _instruction(_RETURN, _ALLOW)
    # prlimit may read limits: its third argument, the new limit, is null.
    yield _instruction(_JUMP_EQUAL, _PRLIMIT[column], 0, 5)
    yield _instruction(_LOAD, _ARGUMENTS + 16)
    yield _instruction(_JUMP_EQUAL, 0, 0, 2)
    yield _instruction(_LOAD, _ARGUMENTS + 20)
    yield _instruction(_JUMP_EQUAL, 0, 1, 0)
    yield _instruction(_RETURN, deny)
    yield _instruction(_RETURN, _ALLOW)


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, value)


LAYER = Layer("seccomp", ("new processes and programs (seccomp)", "network (seccomp)"), _unavailable, _apply)
