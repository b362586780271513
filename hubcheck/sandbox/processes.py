"""What the kernel does for us: process trees, memory of a process, limits."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_CHANNEL = 3


def prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option})")


def become_subreaper() -> None:
    """Orphans below this process become its children, so that it can end them."""
    prctl(_PR_SET_CHILD_SUBREAPER, 1)


def enter_worker(channel: int, errors: int, *, parent: int) -> None:
    """In a forked process: a session of its own, no descriptor but the channel (as 3), death with the parent."""
    os.setsid()
    prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(70)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(errors, 1)
    os.dup2(errors, 2)
    os.dup2(channel, _CHANNEL)
    os.closerange(_CHANNEL + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def data_size() -> int:
    """Bytes of writable memory that this process has mapped: what RLIMIT_DATA counts."""
    with contextlib.suppress(OSError, StopIteration), Path("/proc/self/status").open(encoding="ascii") as status:
        return int(next(line for line in status if line.startswith("VmData:")).split()[1]) * 1024
    return 1 << 30


def memory_of(pid: int) -> int:
    """Bytes that a process has in memory and that are no file's: 0 if there is no such process."""
    total = 0
    with contextlib.suppress(OSError), Path(f"/proc/{pid}/status").open(encoding="ascii", errors="replace") as status:
        for line in status:
            if line.startswith(("RssAnon:", "RssShmem:", "VmSwap:")):
                total += int(line.split()[1]) * 1024
    return total


def folder_size(folder: Path, enough: int) -> int:
    """Bytes in a folder; stops counting beyond `enough`."""
    total = 0
    todo = [str(folder)]
    while todo and total <= enough:
        try:
            with os.scandir(todo.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        todo.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue
    return total


def kill_group(leader: int) -> None:
    """End a process and its group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(leader, signal.SIGKILL)


def kill_children(spared: set[int]) -> None:
    """End every child of this process but the spared ones, and what becomes its child when they end."""
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
    """The child processes of this process."""
    me = os.getpid()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                text = (entry / "stat").read_text(encoding="ascii", errors="replace")
                if int(text.rpartition(")")[2].split()[1]) == me:
                    found.append(int(entry.name))
    return found
