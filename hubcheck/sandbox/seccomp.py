"""seccomp: a filter that allows the system calls that a computation needs, and refuses every other one.

It covers what Landlock does not know, and it binds root as well. A refused call fails with EPERM instead of killing
the process; a call that is newer than this list fails with ENOSYS, so that the C library falls back to an older one.

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
_DENY = _ERRNO | errno.EPERM
_LOAD, _AND, _RETURN = 0x20, 0x54, 0x06
_IF_EQUAL, _IF_AT_LEAST, _IF_ANY_BIT = 0x15, 0x35, 0x45
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
_CLONE_THREAD = 0x00010000
_X32 = 0x40000000
_O_TMPFILE = 0x00400000
_MAP_SHARED, _MAP_HUGETLB = 0x01, 0x00040000
_NEWER = 440
"""The first number that no call of the list has; from 424 on, numbers are the same on every architecture."""

_AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_CLONE, _CLONE3, _TGKILL, _PRLIMIT, _MMAP = (56, 220), (435, 435), (234, 131), (302, 261), (9, 222)
_OPENING = (((2, 1), (257, 2)), ((56, 2),))
"""On each architecture, the calls that open a file by its path, and the number of the argument with the flags."""

_TABLE = [
    line.split()
    for line in Path(__file__).with_name("system_calls.txt").read_text(encoding="ascii").splitlines()
    if not line.startswith("#")
]


def _unavailable() -> str | None:
    if platform.machine() not in _AUDIT:
        return f"the numbers of the system calls on {platform.machine()} are not known"
    return None if Path("/proc/sys/kernel/seccomp").exists() else "the kernel has no seccomp filters"


def _apply(policy: SandboxPolicy) -> Iterator[str]:
    code = b"".join(_program(policy))
    buffer = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_SECCOMP, ctypes.c_ulong(_FILTER), program, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"seccomp: {os.strerror(ctypes.get_errno())}")
    yield from LAYER.protects[:-1] if policy.device_driver else LAYER.protects


def _program(policy: SandboxPolicy) -> Iterator[bytes]:
    column = list(_AUDIT).index(platform.machine())
    groups = {"write": policy.confined, "device": policy.device_driver}
    groups["remove"] = policy.confined and (policy.bounded_scratch or policy.device_driver)
    free, conditional = _allowed(column, {"all", *(group for group, is_allowed in groups.items() if is_allowed)})
    yield _do(_LOAD, _ARCHITECTURE)
    yield _do(_IF_EQUAL, _AUDIT[platform.machine()], 1, 0)
    yield _do(_RETURN, _DENY)
    yield _do(_LOAD, _NUMBER)
    if column == 0:
        yield _do(_IF_AT_LEAST, _X32, 0, 1)
        yield _do(_RETURN, _DENY)
    for number in sorted(free):
        yield from _for(number, [_do(_RETURN, _ALLOW)])
    for number, (argument, values) in conditional.items():
        yield from _for(number, _one_of(argument, values))
    # clone may start a thread, but no process. A filter cannot see the flags of clone3; the C library falls back.
    yield from _for(_CLONE3[column], [_do(_RETURN, _ERRNO | errno.ENOSYS)])
    yield from _for(_CLONE[column], _any_bit(0, _CLONE_THREAD, _ALLOW, _DENY))
    # Pages of shared memory stay when they are no longer mapped, and large ones count nowhere.
    uncounted = 0 if policy.device_driver else _MAP_SHARED | _MAP_HUGETLB
    yield from _for(_MMAP[column], _any_bit(3, uncounted, _DENY, _ALLOW))
    for number, argument in _OPENING[column]:
        yield from _for(number, _opening(argument, writing=policy.confined))
    # Signals, which abort() needs, and limits of this process only; limits cannot be changed.
    yield from _for(_TGKILL[column], _one_of(0, {os.getpid()}))
    unchanged = [_do(_LOAD, _word(2, high=True)), _do(_IF_EQUAL, 0, 1, 0), _do(_RETURN, _DENY), *_one_of(2, {0})]
    own = [_do(_LOAD, _word(0)), _do(_IF_EQUAL, 0, 2, 0), _do(_IF_EQUAL, os.getpid(), 1, 0), _do(_RETURN, _DENY)]
    yield from _for(_PRLIMIT[column], own + unchanged)
    yield _do(_IF_AT_LEAST, _NEWER, 0, 1)
    yield _do(_RETURN, _ERRNO | errno.ENOSYS)
    yield _do(_RETURN, _DENY)


def _allowed(column: int, who: set[str]) -> tuple[set[int], dict[int, tuple[int, set[int]]]]:
    """Return the numbers of the calls that are allowed, and of those allowed with some values of an argument."""
    free: set[int] = set()
    conditional: dict[int, tuple[int, set[int]]] = {}
    for group, _, *numbers_and_condition in _TABLE:
        if group not in who or numbers_and_condition[column] == "-":
            continue
        number = int(numbers_and_condition[column])
        if len(numbers_and_condition) == 2:
            free.add(number)
        else:
            argument, _, values = numbers_and_condition[2].partition(":")
            conditional.setdefault(number, (int(argument), set()))[1].update(int(v, 0) for v in values.split(","))
    return free, {number: condition for number, condition in conditional.items() if number not in free}


def _opening(argument: int, *, writing: bool) -> list[bytes]:
    """Refuse files without a name, and to empty a file that is opened for reading, which old versions of Landlock do
    not see; or refuse all writing."""
    if not writing:
        return _any_bit(argument, os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC, _DENY, _ALLOW)
    emptied = [_do(_AND, os.O_TRUNC | os.O_ACCMODE), _do(_IF_EQUAL, os.O_TRUNC, 0, 1), _do(_RETURN, _DENY)]
    return [_do(_LOAD, _word(argument)), *emptied, *_any_bit(argument, _O_TMPFILE, _DENY, _ALLOW)]


def _for(number: int, body: list[bytes]) -> Iterator[bytes]:
    """Yield what decides on one call; the body ends with a return. Other calls skip it."""
    yield _do(_IF_EQUAL, number, 0, len(body))
    yield from body


def _one_of(argument: int, values: set[int]) -> list[bytes]:
    tests = [_do(_IF_EQUAL, value, len(values) - i, 0) for i, value in enumerate(sorted(values))]
    return [_do(_LOAD, _word(argument)), *tests, _do(_RETURN, _DENY), _do(_RETURN, _ALLOW)]


def _any_bit(argument: int, bits: int, if_set: int, otherwise: int) -> list[bytes]:
    return [_do(_LOAD, _word(argument)), _do(_IF_ANY_BIT, bits, 0, 1), _do(_RETURN, if_set), _do(_RETURN, otherwise)]


def _word(argument: int, *, high: bool = False) -> int:
    """Return the offset of half of an argument; both architectures are little-endian."""
    return _ARGUMENTS + 8 * argument + 4 * high


def _do(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, value)


LAYER = Layer(
    "seccomp",
    ("new processes and programs (seccomp)", "network (seccomp)", "system calls (seccomp)"),
    _unavailable,
    _apply,
    lambda policy: "the driver of a GPU needs local sockets and calls of its own",
)
