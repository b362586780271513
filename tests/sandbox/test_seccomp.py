"""The filter of system calls on each architecture, whatever this machine is: its numbers, and what it decides."""

from __future__ import annotations

import os
import re
import struct
from pathlib import Path

import pytest

from hubcheck.sandbox import seccomp
from hubcheck.sandbox.policy import SandboxPolicy
from tests.sandbox.attacks import CALLS

HEADERS = {
    "x86_64": (Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), Path("/usr/include/asm/unistd_64.h")),
    "aarch64": (Path("/usr/include/asm-generic/unistd.h"),),
}
"""The kernel's own tables. That of aarch64 is the one for new architectures, and is installed everywhere."""

ALLOW, REFUSE, TRY_ANOTHER = 0x7FFF0000, 0x00050001, 0x00050026
SHARED, PRIVATE, ANONYMOUS = 1, 2, 0x20
CREATE, WRITE, UNNAMED, EMPTY = os.O_CREAT, os.O_RDWR, 0x400000, os.O_TRUNC


@pytest.mark.parametrize("machine", HEADERS)
def test_the_numbers_are_those_of_the_kernel(machine):
    header = next((file for file in HEADERS[machine] if file.exists()), None)
    if header is None:
        pytest.skip("the kernel's headers are not installed (linux-libc-dev)")
    text = header.read_text(encoding="ascii")
    numbers = {name: int(number) for name, number in re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", text)}
    others = re.findall(r"#define __NR_(\w+)\s+__NR3264_(\w+)", text)
    numbers |= {name: numbers[other] for name, other in others if other in numbers}
    column = list(HEADERS).index(machine)
    ours = {name: numbers_[column] for _, name, *numbers_ in seccomp._TABLE if numbers_[column] != "-"}
    assert {name: int(number) for name, number in ours.items()} == {name: numbers[name] for name in ours}
    absent = {name for _, name, *numbers_ in seccomp._TABLE if numbers_[column] == "-"}
    assert absent & numbers.keys() == set()
    single = {"clone": seccomp._CLONE, "clone3": seccomp._CLONE3, "tgkill": seccomp._TGKILL, "mmap": seccomp._MMAP}
    single["prlimit64"] = seccomp._PRLIMIT
    assert {name: known[column] for name, known in single.items()} == {name: numbers[name] for name in single}
    opening = {numbers["openat"], *([numbers["open"]] if "open" in numbers else [])}
    assert {number for number, _ in seccomp._OPENING[column]} == opening
    tried = {name: known[column] for name, known in CALLS.items() if name in numbers}
    assert tried == {name: numbers[name] for name in tried}


class Filter:
    """The filter for a machine and a policy, run as the kernel would."""

    def __init__(self, machine: str, monkeypatch: pytest.MonkeyPatch, policy: SandboxPolicy) -> None:
        self.column, self.architecture = list(HEADERS).index(machine), seccomp._AUDIT[machine]
        monkeypatch.setattr("platform.machine", lambda: machine)
        self.program = [struct.unpack("HBBI", step) for step in seccomp._program(policy)]

    def __call__(self, name: str, *arguments: int, architecture: int | None = None) -> int:
        known = {row[1]: row[2 + self.column] for row in seccomp._TABLE}
        number = int(known[name]) if name in known else CALLS[name][self.column]
        given = [argument & 0xFFFFFFFFFFFFFFFF for argument in (*arguments, *[0] * 6)][:6]
        data = struct.pack("<IIQ6Q", number, self.architecture if architecture is None else architecture, 0, *given)
        place = value = 0
        while True:
            code, if_true, if_false, constant = self.program[place]
            place += 1
            match code:
                case seccomp._LOAD:
                    (value,) = struct.unpack_from("<I", data, constant)
                case seccomp._AND:
                    value &= constant
                case seccomp._RETURN:
                    return constant
                case _:
                    met = {
                        seccomp._IF_EQUAL: value == constant,
                        seccomp._IF_AT_LEAST: value >= constant,
                        seccomp._IF_ANY_BIT: bool(value & constant),
                    }[code]
                    place += if_true if met else if_false


@pytest.mark.parametrize("machine", HEADERS)
def test_the_filter_decides_alike_on_each_architecture(machine, monkeypatch):
    cpu = Filter(machine, monkeypatch, SandboxPolicy(confined=True, bounded_scratch=True))
    for name in ("read", "futex", "munmap", "newfstatat", "exit_group", "unlinkat", "mkdirat"):
        assert cpu(name) == ALLOW, name
    own = os.getpid()
    decisions = [
        ("mmap", (0, 4096, 3, PRIVATE | ANONYMOUS), ALLOW),
        ("mmap", (0, 4096, 3, SHARED | ANONYMOUS), REFUSE),
        ("mmap", (0, 4096, 3, PRIVATE | ANONYMOUS | 0x40000), REFUSE),
        ("openat", (-100, 0, os.O_RDONLY), ALLOW),
        ("openat", (-100, 0, WRITE | CREATE | EMPTY), ALLOW),
        ("openat", (-100, 0, EMPTY), REFUSE),
        ("openat", (-100, 0, WRITE | UNNAMED), REFUSE),
        ("clone", (0x003D0F00,), ALLOW),
        ("clone", (17,), REFUSE),
        ("clone3", (0, 88), TRY_ANOTHER),
        ("tgkill", (own, own, 6), ALLOW),
        ("tgkill", (1, 1, 6), REFUSE),
        ("prlimit64", (0, 3, 0, 1), ALLOW),
        ("prlimit64", (0, 3, 1 << 40, 0), REFUSE),
        ("fcntl", (0, 3), ALLOW),
        ("fcntl", (0, 8), REFUSE),
    ]
    assert [(*call, cpu(*call[:1], *call[1])) for *call, _ in decisions] == [tuple(row) for row in decisions]
    refused = CALLS.keys() - {"mmap", "openat", "clone", "clone3", "tgkill", "prlimit64", "fcntl", "sendto"}
    refused -= {"ioctl", "prctl"}
    assert {name for name in refused if cpu(name) == ALLOW} == set()
    assert cpu("read", architecture=0x40000003) == REFUSE, "the 32-bit calls of the same machine"


@pytest.mark.parametrize("machine", HEADERS)
def test_files_are_deleted_only_where_that_frees_space_and_written_only_where_paths_are_confined(machine, monkeypatch):
    on_disk = Filter(machine, monkeypatch, SandboxPolicy(confined=True))
    assert (on_disk("unlinkat"), on_disk("renameat2"), on_disk("mkdirat")) == (REFUSE, REFUSE, ALLOW)
    unconfined = Filter(machine, monkeypatch, SandboxPolicy())
    assert (unconfined("mkdirat"), unconfined("openat", -100, 0, WRITE)) == (REFUSE, REFUSE)
    assert unconfined("openat", -100, 0, os.O_RDONLY) == ALLOW
    gpu = Filter(machine, monkeypatch, SandboxPolicy(confined=True, device_driver=True))
    assert (gpu("mmap", 0, 4096, 3, SHARED), gpu("memfd_create"), gpu("unlinkat")) == (ALLOW, ALLOW, ALLOW)
    assert (gpu("socket", 1), gpu("socket", 2), gpu("execve"), gpu("ptrace")) == (ALLOW, REFUSE, REFUSE, REFUSE)
