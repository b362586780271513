"""What a module that runs native code in its worker could try. Each attack raises OSError if it is refused.

As a program, it confines itself as a worker does, tries all of them, and prints which were refused as JSON:
`python attacks.py FOLDER USER LAYERS`, with a folder that holds `module/` and `secret`, the user id to start as, and
JSON: the mode, the version of Landlock to simulate and why bubblewrap is not to be used, if so. With the mode "off" it
must be in namespaces other than those listed as "host", since some attacks would succeed.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import platform
import resource  # noqa: F401  (imported before the folder of the interpreter becomes unreadable)
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.syscall.restype = ctypes.c_long
COLUMN = ("x86_64", "aarch64").index(platform.machine()) if sys.platform == "linux" else 0

CALLS = {
    **{"truncate": (76, 45), "socket": (41, 198), "sendto": (44, 206), "clone": (56, 220), "execve": (59, 221)},
    **{"kill": (62, 129), "tkill": (200, 130), "tgkill": (234, 131), "rt_sigqueueinfo": (129, 138)},
    **{"ptrace": (101, 117), "process_vm_readv": (310, 270), "pidfd_open": (434, 434), "pidfd_send_signal": (424, 424)},
    **{"shmget": (29, 194), "msgget": (68, 186), "semget": (64, 190), "mq_open": (240, 180)},
    **{"memfd_create": (319, 279), "memfd_secret": (447, 447), "fcntl": (72, 25), "ioctl": (16, 29)},
    **{"setxattr": (188, 5), "setxattrat": (463, 463), "fchmodat": (268, 53), "fchownat": (260, 54)},
    **{"utimensat": (280, 88), "mknodat": (259, 33), "symlinkat": (266, 36), "linkat": (265, 37)},
    **{"sched_setaffinity": (203, 122), "sched_setscheduler": (144, 119), "setpriority": (141, 140)},
    **{"ioprio_set": (251, 30), "prlimit64": (302, 261), "setrlimit": (160, 164), "prctl": (157, 167)},
    **{"mount": (165, 40), "unshare": (272, 97), "chroot": (161, 51), "pivot_root": (155, 41), "setns": (308, 268)},
    **{"open_by_handle_at": (304, 265), "bpf": (321, 280), "perf_event_open": (298, 241), "keyctl": (250, 219)},
    **{"userfaultfd": (323, 282), "io_uring_setup": (425, 425), "setuid": (105, 146)},
    **{
        "mmap": (9, 222),
        "clone3": (435, 435),
        "openat": (257, 56),
        "landlock_create_ruleset": (444, 444),
        "kcmp": (312, 272),
    },
}


def call(name: str, *arguments: int | bytes | None) -> int:
    """Make a system call without the C library's help."""
    converted = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result = int(LIBC.syscall(ctypes.c_long(CALLS[name][COLUMN]), *converted))
    if result < 0:
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")
    return result


def child_of(name: str, *arguments: int | bytes | None) -> None:
    """Make a call that starts a process, which must not run the rest of this program."""
    if call(name, *arguments) == 0:
        os._exit(0)


def structure(*fields: int) -> bytes:
    return b"".join(field.to_bytes(8, "little") for field in fields)


READ_ONLY, EMPTIES, ASYNC = os.O_RDONLY, os.O_TRUNC, 0o20000
AF_UNIX, AF_INET, DATAGRAM = 1, 2, 2
SHARED, PRIVATE, ANONYMOUS, HUGE, READ = 0x01, 0x02, 0x20, 0x40000, 1
AT_FDCWD = -100
F_SETOWN, F_SETSIG, F_SETPIPE_SZ, TIOCSTI = 8, 10, 1031, 0x5412


def attacks(folder: Path, parent: int, descriptor: int) -> dict[str, Callable[[], object]]:
    """Return the attacks by name. `descriptor` is a file that was open before, `parent` the process above."""
    module, secret = folder / "module", folder / "secret"
    file = os.fsencode(module / "saved_model.pb")
    own = os.getpid()
    return {
        "read a file": secret.read_bytes,
        "list a folder": lambda: _listed(folder),
        "write a file": lambda: (folder / "escaped").write_bytes(b"x"),
        "change the module": lambda: (module / "saved_model.pb").write_bytes(b"x"),
        "rename a file of the module": lambda: (module / "spare").rename(module / "moved"),
        "delete a file of the module": (module / "other").unlink,
        "make a folder": (folder / "made").mkdir,
        "truncate by path": lambda: call("truncate", file, 0),
        "truncate by opening": lambda: call("openat", AT_FDCWD, file, READ_ONLY | EMPTIES),
        "make a symbolic link": lambda: call("symlinkat", file, AT_FDCWD, os.fsencode(folder / "link")),
        "make a hard link": lambda: call("linkat", AT_FDCWD, file, AT_FDCWD, os.fsencode(folder / "link"), 0),
        "change the mode": lambda: call("fchmodat", AT_FDCWD, file, 0o777),
        "change the owner": lambda: call("fchownat", AT_FDCWD, file, os.getuid(), os.getgid(), 0),
        "change the times": lambda: call("utimensat", AT_FDCWD, file, None, 0),
        "set an attribute": lambda: call("setxattr", file, b"user.x", b"x", 1, 0),
        "set an attribute, new call": lambda: call("setxattrat", AT_FDCWD, file, 0, b"user.x", structure(0, 1), 16),
        "make a device": lambda: call("mknodat", AT_FDCWD, os.fsencode(folder / "fifo"), 0o010600, 0),
        "open by handle": lambda: call("open_by_handle_at", AT_FDCWD, structure(8, 1), 0),
        "command line of the parent": lambda: Path(f"/proc/{parent}/cmdline").read_bytes(),
        "environment of the parent": lambda: Path(f"/proc/{parent}/environ").read_bytes(),
        "list of processes": _other_processes,
        "fork": lambda: child_of("clone", signal.SIGCHLD, 0, 0, 0, 0),
        "fork, new call": lambda: child_of("clone3", structure(*[0] * 4, signal.SIGCHLD, *[0] * 6), 88),
        "execute": lambda: call("execve", b"/bin/true", None, None),
        "kill": lambda: call("kill", parent, 0),
        "kill a thread": lambda: call("tgkill", parent, parent, 0),
        "kill a thread, old call": lambda: call("tkill", parent, 0),
        "queue a signal": lambda: call("rt_sigqueueinfo", parent, 0, structure(0, 0xFFFFFFFF, *[0] * 14)),
        "signal by descriptor": lambda: call("pidfd_send_signal", call("pidfd_open", parent, 0), 0, None, 0),
        "owner of a descriptor": lambda: call("fcntl", descriptor, F_SETOWN, parent),
        "signal of a descriptor": lambda: call("fcntl", descriptor, F_SETSIG, signal.SIGKILL),
        "trace": lambda: call("ptrace", 0x4206, parent, 0, 0),
        "read memory": lambda: call("process_vm_readv", parent, None, 0, None, 0, 0),
        "compare": lambda: call("kcmp", parent, own, 0, 0, 0),
        "SysV memory": lambda: call("shmget", 0, 1 << 20, 0o1600),
        "SysV messages": lambda: call("msgget", 0, 0o1600),
        "SysV semaphores": lambda: call("semget", 0, 1, 0o1600),
        "message queue": lambda: call("mq_open", b"hubcheck", os.O_CREAT | os.O_RDWR, 0o600, None),
        "memory as a file": lambda: call("memfd_create", b"x", 0),
        "secret memory": lambda: call("memfd_secret", 0),
        "shared memory": lambda: call("mmap", None, 1 << 20, READ, SHARED | ANONYMOUS, -1, 0),
        "shared memory of a device": _shared_zeros,
        "large pages": lambda: call("mmap", None, 2 << 20, READ, PRIVATE | ANONYMOUS | HUGE, -1, 0),
        "file without a name": lambda: os.open(folder / "scratch", os.O_TMPFILE | os.O_RDWR),
        "deleted files that are open": lambda: _deleted_files(folder / "scratch"),
        "large pipe": lambda: call("fcntl", descriptor, F_SETPIPE_SZ, 1 << 20),
        "unix socket": lambda: call("socket", AF_UNIX, DATAGRAM, 0),
        "internet socket": lambda: call("socket", AF_INET, DATAGRAM, 0),
        "io_uring": lambda: call("io_uring_setup", 1, structure(*[0] * 15)),
        "affinity": lambda: call("sched_setaffinity", 0, 8, structure(1)),
        "scheduler": lambda: call("sched_setscheduler", 0, 3, structure(0)),
        "priority": lambda: call("setpriority", 0, 0, 5),
        "priority of input and output": lambda: call("ioprio_set", 1, 0, 0x6000),
        "limits": lambda: call("prlimit64", 0, 3, structure(1 << 20, 1 << 20), None),
        "limits of the parent": lambda: call("prlimit64", parent, 7, structure(64, 64), None),
        "outlive the server": lambda: call("prctl", 1, 0, 0, 0, 0),
        "type into the terminal": lambda: call("ioctl", descriptor, TIOCSTI, b"x"),
        "another user": lambda: call("setuid", 12345),
        "mount": lambda: call("mount", b"none", os.fsencode(module), b"tmpfs", 0, None),
        "new namespaces": lambda: call("unshare", 0x10000000),
        "change the root": lambda: call("chroot", os.fsencode(module)),
        "bpf": lambda: call("bpf", 0, structure(*[0] * 9), 72),
        "performance counters": lambda: call("perf_event_open", structure(*[0] * 16), 0, -1, -1, 0),
        "keys": lambda: call("keyctl", 0, -3, 0, 0, 0),
        "page faults": lambda: call("userfaultfd", 1),
        "capabilities": _capabilities,
    }


def _shared_zeros() -> None:
    """Map /dev/zero, of which reading takes memory that stays when it is no longer in the process's tables."""
    with Path("/dev/zero").open("rb") as zeros:
        call("mmap", None, 1 << 20, READ, SHARED, zeros.fileno(), 0)


def _deleted_files(scratch: Path) -> None:
    """Take more space than the scratch folder may have, with files that no folder lists."""
    kept = []
    try:
        for number in range(11):
            kept.append((scratch / str(number)).open("wb", buffering=0))
            (scratch / str(number)).unlink()
            for _ in range(64):
                kept[-1].write(bytes(1 << 20))
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise PermissionError(errno.EPERM, "the folder is full") from None
        raise


def _listed(folder: Path) -> None:
    if folder / "secret" not in folder.iterdir():
        raise PermissionError(errno.EPERM, "it does not hold what it holds for others")


def _other_processes() -> None:
    seen = [entry.name for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    if not any(_is_foreign(name) for name in seen if int(name) != os.getpid()):
        raise PermissionError(errno.EPERM, f"of {len(seen)} processes none is foreign")


def _is_foreign(name: str) -> bool:
    try:
        return Path(f"/proc/{name}/comm").read_text(encoding="ascii", errors="replace") not in ("bwrap\n", "cat\n")
    except OSError:
        return False


def _capabilities() -> None:
    header, data = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    if LIBC.capget(ctypes.byref(header), ctypes.byref(data)) != 0 or not any(data):
        raise PermissionError(errno.EPERM, "it has none, or cannot ask")


NAMESPACES = ("mnt", "ipc", "pid")
"""The namespaces that unconfined attacks change."""

REFUSALS = (errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EROFS, errno.ENOENT)


def outcome_of(attempt: Callable[[], object]) -> str:
    """Return "refused" if the sandbox or the kernel forbids it, "worked", or how the kernel began to work on it."""
    try:
        attempt()
    except OSError as error:
        return "refused" if error.errno in REFUSALS else f"answered: {error.strerror}"
    return "worked"


def become(user: int) -> None:
    if user != os.getuid():
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
        LIBC.prctl(4, 1, 0, 0, 0)  # without it, not even the same user may look at the process


def main(name: str, user: str, layers: str) -> None:
    """Confine a child process, try everything in it, and print the outcomes."""
    from hubcheck.probe.worker.permissions import policy_for
    from hubcheck.sandbox import bubblewrap, landlock
    from hubcheck.sandbox.enforce import enforce

    folder, given = Path(name), json.loads(layers)
    if given["mode"] == "off" and any(
        str(Path(f"/proc/self/ns/{kind}").readlink()) in given["host"] for kind in NAMESPACES
    ):
        raise SystemExit("unconfined attacks harm the machine: run them in namespaces of their own")
    policy = policy_for(
        str(folder / "module"), (), folder / "scratch", "cpu", mode=given["mode"], timeout=60, memory=1 << 30
    )
    policy = replace(policy, read=tuple(policy.read))
    if "landlock" in given:
        landlock.version = lambda: given["landlock"]  # type: ignore[assignment]
    if "bubblewrap" in given:
        bubblewrap.trial = lambda: given["bubblewrap"]  # type: ignore[assignment]
    become(int(user))
    parent, (_, descriptor) = os.getpid(), os.pipe()
    child = os.fork()
    if child != 0:
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    protections = enforce(policy)
    outcomes = {
        attack: outcome_of(attempt) if given["mode"] != "off" else _in_a_child(attempt)
        for attack, attempt in attacks(folder, parent, descriptor).items()
    }
    print(json.dumps({"enforced": protections.enforced, "missing": protections.missing, "outcomes": outcomes}))


def _in_a_child(attempt: Callable[[], object]) -> str:
    """Try one attack that may change or end the process that tries it."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, outcome_of(attempt).encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    return os.read(reader, 1000).decode() or "worked"


if __name__ == "__main__":
    main(*sys.argv[1:])
