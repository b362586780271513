"""Process trees on Linux: settings of a process, its memory and its children."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from pathlib import Path

PR_SET_PDEATHSIG = 1
"""Which signal this process receives when its parent ends."""

PR_SET_CHILD_SUBREAPER = 36
"""Whether orphans below this process become its children, so that it can end them."""

PR_SET_NO_NEW_PRIVS = 38
"""Whether programs that this process starts gain no privileges."""


def prctl(option: int, value: int) -> None:
    """Change a setting of this process; raise OSError if the kernel refuses."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option})")


def memory_of(pid: int) -> int:
    """Return the bytes of a process in memory or swap that no file backs; 0 if there is no such process."""
    total = 0
    with contextlib.suppress(OSError), Path(f"/proc/{pid}/status").open(encoding="ascii", errors="replace") as status:
        for line in status:
            if line.startswith(("RssAnon:", "RssShmem:", "VmSwap:")):
                total += int(line.split()[1]) * 1024
    return total


def kill_group(leader: int) -> None:
    """Kill a process and its process group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(leader, signal.SIGKILL)


def kill_children(spared: set[int]) -> None:
    """Kill all children of this process except the spared ones, and the orphans that become its children then."""
    for _ in range(100):
        found = [pid for pid in children() if pid not in spared]
        if not found:
            return
        for pid in found:
            kill_group(pid)
        for pid in found:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


def children() -> list[int]:
    """Return the ids of the child processes of this process."""
    me = os.getpid()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                text = (entry / "stat").read_text(encoding="ascii", errors="replace")
                if int(text.rpartition(")")[2].split()[1]) == me:
                    found.append(int(entry.name))
    return found
