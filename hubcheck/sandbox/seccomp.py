"""A filter of system calls for a worker: no new process, no socket, no signal to others, no administration.

Landlock keeps files and TCP; this keeps what Landlock does not know, for root as well. A refused call fails with
EPERM, so that what tries it gets an error and not a corpse.

Source: https://docs.kernel.org/userspace-api/seccomp_filter.html
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Iterator

_PR_SET_SECCOMP, _FILTER = 22, 2
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_LOAD, _JUMP_EQUAL, _JUMP_GREATER, _JUMP_BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
_CLONE_THREAD = 0x00010000
_X32 = 0x40000000

_AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

# name: (number on x86_64, number on aarch64), from the kernel's unistd headers; None where there is no such call.
_PROCESSES: dict[str, tuple[int | None, int | None]] = {
    "execve": (59, 221),
    "execveat": (322, 281),
    "fork": (57, None),
    "vfork": (58, None),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kill": (62, 129),
    "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "pidfd_send_signal": (424, 424),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
}
_SOCKETS: dict[str, tuple[int | None, int | None]] = {
    "socket": (41, 198),
    "connect": (42, 203),
    "bind": (49, 200),
    "listen": (50, 201),
    "accept": (43, 202),
    "accept4": (288, 242),
    "io_uring_setup": (425, 425),
}
_FILES: dict[str, tuple[int | None, int | None]] = {
    # Changes to files that Landlock lets pass.
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "fchown": (93, 55),
    "lchown": (94, None),
    "fchownat": (260, 54),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "mknod": (133, None),
    "mknodat": (259, 33),
    # Memory that no limit on this process sees.
    "memfd_create": (319, 279),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "mq_open": (240, 180),
}
_ADMINISTRATION: dict[str, tuple[int | None, int | None]] = {
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "unshare": (272, 97),
    "setns": (308, 268),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsmount": (432, 432),
    "mount_setattr": (442, 442),
    "open_by_handle_at": (304, 265),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "syslog": (103, 116),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "setuid": (105, 146),
    "setgid": (106, 144),
    "setresuid": (117, 147),
    "setresgid": (119, 149),
    "setrlimit": (160, 164),
    "iopl": (172, None),
    "ioperm": (173, None),
}
_CLONE, _CLONE3 = (56, 220), (435, 435)
_TGKILL, _PRLIMIT = (234, 131), (302, 261)


def available() -> bool:
    """Whether this machine's calls are known here and its kernel has seccomp filters."""
    return platform.machine() in _AUDIT and os.path.exists("/proc/sys/kernel/seccomp")  # noqa: PTH110 (forked process)


def restrict() -> Iterator[str]:
    """Set the filter for this process; yields what it is protected from. Needs no_new_privs to be set.

    Raises:
        OSError: the kernel refuses.
    """
    code = b"".join(_program(os.getpid()))
    buffer = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_SECCOMP, ctypes.c_ulong(_FILTER), program, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"seccomp: {os.strerror(ctypes.get_errno())}")
    yield "new processes and programs (seccomp)"
    yield "network (seccomp)"


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
    for numbers in (*_PROCESSES.values(), *_SOCKETS.values(), *_FILES.values(), *_ADMINISTRATION.values()):
        number = numbers[column]
        if number is not None:
            yield _instruction(_JUMP_EQUAL, number, 0, 1)
            yield _instruction(_RETURN, deny)
    # clone3 hides its flags from filters; told that there is none, the C library falls back to clone.
    yield _instruction(_JUMP_EQUAL, _CLONE3[column], 0, 1)
    yield _instruction(_RETURN, _ERRNO | errno.ENOSYS)
    # A thread, but no process.
    yield _instruction(_JUMP_EQUAL, _CLONE[column], 0, 4)
    yield _instruction(_LOAD, _ARGUMENTS)
    yield _instruction(_JUMP_BITS, _CLONE_THREAD, 1, 0)
    yield _instruction(_RETURN, deny)
    yield _instruction(_RETURN, _ALLOW)
    # Signals to itself alone: abort() needs them.
    yield _instruction(_JUMP_EQUAL, _TGKILL[column], 0, 4)
    yield _instruction(_LOAD, _ARGUMENTS)
    yield _instruction(_JUMP_EQUAL, pid, 1, 0)
    yield _instruction(_RETURN, deny)
    yield _instruction(_RETURN, _ALLOW)
    # Limits may be read: the third argument, the new limit, is null.
    yield _instruction(_JUMP_EQUAL, _PRLIMIT[column], 0, 5)
    yield _instruction(_LOAD, _ARGUMENTS + 16)
    yield _instruction(_JUMP_EQUAL, 0, 0, 2)
    yield _instruction(_LOAD, _ARGUMENTS + 20)
    yield _instruction(_JUMP_EQUAL, 0, 1, 0)
    yield _instruction(_RETURN, deny)
    yield _instruction(_RETURN, _ALLOW)


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, value)
