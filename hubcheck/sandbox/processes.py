"""Process trees on Linux: settings of a process, its memory and its children."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

PR_SET_PDEATHSIG = 1
"""Which signal this process receives when its parent ends."""

PR_SET_CHILD_SUBREAPER = 36
"""Whether orphans below this process become its children, so that it can end them."""

PR_SET_NO_NEW_PRIVS = 38
"""Whether programs that this process starts gain no privileges."""

_POLL = 0.001
_MAX_KILLING_SECONDS = 60.0
_MEMORY = ("RssAnon", "RssShmem", "VmSwap", "HugetlbPages", "VmPTE")


def prctl(option: int, value: int) -> None:
    """Change a setting of this process; raise OSError if the kernel refuses."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option})")


@dataclass(frozen=True, slots=True)
class Usage:
    """What some processes use: `memory` in bytes, and `threads`."""

    memory: int
    threads: int


class Scratch(NamedTuple):
    """The number of files in a file system, and the bytes that they take."""

    files: int
    size: int


def usage_below(pid: int) -> Usage:
    """Return what a process and those below it use: of memory what no file backs, the tables of its pages, and what is
    in open files that no folder lists, such as memfds.

    If some of them are in a namespace of their own, those alone count: the others only wait for them.
    """
    statuses = {process: status for process in (pid, *_below(pid)) if (status := _status(process))}
    confined = {process: status for process, status in statuses.items() if _is_apart(status)} or statuses
    unlisted = dict(entry for process in confined for entry in _unlisted_files(process))
    memory = sum(map(_kib, confined.values())) * 1024 + sum(unlisted.values())
    return Usage(memory, sum(int(status.get("Threads", 0)) for status in confined.values()))


def _unlisted_files(pid: int) -> Iterator[tuple[tuple[int, int], int]]:
    """Yield device and inode of the open files of a process that no folder lists, and the bytes that they take."""
    with contextlib.suppress(OSError), os.scandir(f"/proc/{pid}/fd") as descriptors:
        for descriptor in descriptors:
            with contextlib.suppress(OSError):
                info = descriptor.stat()
                if stat.S_ISREG(info.st_mode) and info.st_nlink == 0:
                    yield (info.st_dev, info.st_ino), info.st_blocks * 512


def scratch_apart(pid: int, folder: Path) -> Scratch:
    """Return what is in a file system in memory that those below a process have mounted at `folder`.

    While bubblewrap starts, its process still sees this machine's own folder there, which does not count.
    """
    for process in _below(pid):
        if _is_apart(_status(process)):
            with contextlib.suppress(OSError):
                mounted = Path(f"/proc/{process}/root{folder}")
                if mounted.stat().st_dev != folder.stat().st_dev:
                    found = os.statvfs(mounted)
                    return Scratch(found.f_files - found.f_ffree, (found.f_blocks - found.f_bfree) * found.f_frsize)
    return Scratch(0, 0)


def _is_apart(status: dict[str, str]) -> bool:
    """Return whether a process is in another namespace of processes than this one."""
    return len(status.get("NSpid", "").split()) > 1


def memory_of(pid: int) -> int:
    """Return the bytes of a process in memory or swap that no file backs; 0 if there is no such process."""
    return _kib(_status(pid)) * 1024


def _kib(status: dict[str, str]) -> int:
    return sum(int(status[key].split()[0]) for key in _MEMORY if key in status)


def _status(pid: int) -> dict[str, str]:
    """Return the fields of /proc/PID/status, none if there is no such process."""
    with contextlib.suppress(OSError), Path(f"/proc/{pid}/status").open(encoding="ascii", errors="replace") as status:
        return {key: value.strip() for key, _, value in (line.partition(":") for line in status)}
    return {}


def _below(pid: int) -> list[int]:
    """Return the ids of the processes below one, at any depth."""
    found: list[int] = []
    waiting = [pid]
    while waiting:
        new = children(waiting.pop())
        found += new
        waiting += new
    return found


def kill_group(leader: int) -> None:
    """Kill a process and its process group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(leader, signal.SIGKILL)


def kill_children(spared: set[int]) -> None:
    """Kill all children of this process except the spared ones, and the orphans that become its children then.

    The list is read again each time: the kernel may leave a child out while others end, and the first process of a
    namespace does not end before those in it, which may become children of this one, have been waited for.
    """
    deadline = time.monotonic() + _MAX_KILLING_SECONDS
    while (found := [pid for pid in children() if pid not in spared]) and time.monotonic() < deadline:
        for pid in found:
            kill_group(pid)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        time.sleep(_POLL)


def children(parent: int | None = None) -> list[int]:
    """Return the ids of the child processes of a process, by default of this one."""
    parent = os.getpid() if parent is None else parent
    try:
        tasks = [entry / "children" for entry in Path(f"/proc/{parent}/task").iterdir()]
        return [int(pid) for task in tasks for pid in task.read_text(encoding="ascii").split()]
    except OSError:  # the process is gone, or the kernel does not list children
        if not Path(f"/proc/{parent}").exists():
            return []
        return [int(entry.name) for entry in Path("/proc").iterdir() if _parent_of(entry) == parent]


def _parent_of(entry: Path) -> int | None:
    if entry.name.isdigit():
        with contextlib.suppress(OSError, ValueError, IndexError):
            text = (entry / "stat").read_text(encoding="ascii", errors="replace")
            return int(text.rpartition(")")[2].split()[1])
    return None
