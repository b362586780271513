"""bubblewrap: an empty root, and namespaces of users, processes, IPC, network and mounts, for one process.

A program that bubblewrap starts would have to import TensorFlow again, which takes seconds, so this process joins
instead: bubblewrap builds the namespaces around a program that only waits, this process enters them and goes on in a
child, and what is left of it outside waits for that child. Each worker gets namespaces of its own, because a server in
one sandbox would have to see the modules of all its workers: this way a worker sees its own module, a scratch folder in
memory that ends with it, and no process but its own. The kernel ends all that runs in them when the worker ends, or its
server.

Source: bwrap(1), setns(2)
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import json
import os
import resource
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from hubcheck.sandbox.policy import Layer, SandboxPolicy
from hubcheck.sandbox.privileges import NOBODY
from hubcheck.sandbox.processes import PR_SET_PDEATHSIG, kill_group, prctl

_DEADLINE = 5.0
_NEW_IPC, _NEW_USER, _NEW_PID, _NEW_NET, _NEW_MOUNTS = 0x08000000, 0x10000000, 0x20000000, 0x40000000, 0x00020000
_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64")
_MAX_THREADS = 4096
_MAX_STEPS = 1000
_FLAGS = (
    *("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"),
    *("--die-with-parent", "--cap-drop", "ALL", "--uid", str(NOBODY), "--gid", str(NOBODY), "--clearenv"),
)


def _unavailable() -> str | None:
    return trial()


@functools.cache
def trial() -> str | None:
    """Enter a sandbox in a child process once, and return why that fails, or None.

    Make the first call before this process has threads.
    """
    if sys.platform != "linux" or shutil.which("bwrap") is None:
        return "bubblewrap is not installed"
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        _try(writer)
    os.close(writer)
    ended = select.select([reader], [], [], 2 * _DEADLINE)[0]
    reason = os.read(reader, 1000).decode("utf-8", "replace") if ended else f"bubblewrap took over {2 * _DEADLINE:g} s"
    os.close(reader)
    kill_group(pid)
    os.waitpid(pid, 0)
    return None if reason == "joined" else reason or "bubblewrap failed"


def _try(writer: int) -> NoReturn:
    try:
        os.setsid()
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        list(_apply(SandboxPolicy(write=("/tmp",))))
        os.write(writer, b"joined")
    except BaseException as error:
        os.write(writer, str(getattr(error, "strerror", None) or error).encode()[:900])
    finally:
        os._exit(0)


def _apply(policy: SandboxPolicy) -> Iterator[str]:
    waiting, folder = shutil.which("cat") or "/bin/cat", Path.cwd()
    reader, writer = os.pipe()
    pipe = subprocess.PIPE
    arguments = ["bwrap", *_FLAGS, *_mounts(policy, waiting), "--info-fd", str(writer), "--", waiting]
    bwrap = subprocess.Popen(arguments, stdin=pipe, stdout=pipe, stderr=pipe, pass_fds=[writer])
    os.close(writer)
    assert bwrap.stdin is not None and bwrap.stdout is not None and bwrap.stderr is not None
    try:
        _join(_pid_inside(bwrap, reader))
        child = os.fork()
    except OSError:
        bwrap.kill()
        bwrap.communicate()
        raise
    finally:
        os.close(reader)
    if child != 0:
        _end_as(child, bwrap.stdin.fileno())
    bwrap.returncode = 0  # it is no child of this process
    for stream in (bwrap.stdin, bwrap.stdout, bwrap.stderr):
        stream.close()
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    with contextlib.suppress(OSError):
        os.chdir(folder)
    resource.setrlimit(resource.RLIMIT_NPROC, (_MAX_THREADS, _MAX_THREADS))  # counts those in the namespace; not root's
    yield from LAYER.protects


def _pid_inside(bwrap: subprocess.Popen[bytes], reader: int) -> int:
    """Return the id of a process in the namespaces, once they are set up."""
    assert bwrap.stdin is not None and bwrap.stdout is not None and bwrap.stderr is not None
    with contextlib.suppress(BrokenPipeError):
        os.write(bwrap.stdin.fileno(), b"!")
    ready = select.select([bwrap.stdout], [], [], _DEADLINE)[0]
    if not ready or os.read(bwrap.stdout.fileno(), 1) != b"!":
        bwrap.kill()
        message = (
            bwrap.stderr.read().decode("utf-8", "replace").strip().splitlines() if ready else ["it does not start"]
        )
        raise OSError(0, (message or ["it failed"])[0].removeprefix("bwrap: ")[:200])
    return int(json.loads(os.read(reader, 1000))["child-pid"])


def _join(pid: int) -> None:
    """Enter the namespaces of a process. Children of this process will be in its namespace of processes."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.pidfd_open(pid)
    try:
        if libc.setns(descriptor, _NEW_USER | _NEW_MOUNTS | _NEW_PID | _NEW_IPC | _NEW_NET) != 0:
            code = ctypes.get_errno()
            raise OSError(code, f"its namespaces cannot be joined: {os.strerror(code)}")
    finally:
        os.close(descriptor)


def _end_as(child: int, kept: int) -> NoReturn:
    """Wait for the child, the process that is confined, and end as it did; bubblewrap ends with this process.

    Args:
        child: its process id.
        kept: the descriptor that keeps bubblewrap waiting. All others are closed.
    """
    os.closerange(0, kept)
    os.closerange(kept + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code < 0:
        with contextlib.suppress(OSError):
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(abs(code))


def _mounts(policy: SandboxPolicy, program: str) -> Iterator[str]:
    """Yield bubblewrap's arguments: what the policy allows, at the same paths, and nothing else."""
    links: dict[str, str] = {}
    read, devices = (
        {_resolved(path, links) for path in paths if not path.startswith("/proc")}
        for paths in ((*policy.read, *_LIBRARIES, program), policy.devices)
    )
    devices |= {_resolved(path, links) for path in policy.write if not Path(path).is_dir()}
    devices |= {path for path in read if path is not None and Path(path).is_char_device()}
    bound: list[str] = []
    for path in sorted(filter(None, read - devices)):
        if not any(Path(path).is_relative_to(above) for above in bound):
            bound.append(path)
            yield from ("--ro-bind", path, path)
    for link, target in sorted(links.items()):
        if not any(Path(link).is_relative_to(above) for above in bound):
            yield from ("--symlink", target, link)
    yield from ("--proc", "/proc")
    for path in sorted(filter(None, devices)):
        yield from ("--dev-bind", path, path)
    for path in policy.write:
        if Path(path).is_dir():
            yield from ("--size", str(policy.scratch_bytes), "--perms", "0700", "--tmpfs", path)
    yield from ("--remount-ro", "/")


def _resolved(path: str, links: dict[str, str]) -> str | None:
    """Return where a path leads, or None if nowhere. The links on the way are added to `links`, with their targets."""
    done, rest = Path("/"), list(Path.cwd().joinpath(path).parts[1:])
    for _ in range(_MAX_STEPS):
        if not rest:
            return str(done) if os.access(done, os.R_OK) else None
        part = rest.pop(0)
        here = done.parent if part == ".." else done / part
        try:
            target = here.readlink()
        except OSError:  # no link
            done = here
        else:
            links[str(here)] = str(target)
            done, rest = Path("/") if target.is_absolute() else done, [*target.relative_to(target.anchor).parts, *rest]
    return None


LAYER = Layer(
    "bubblewrap",
    ("files (namespaces)", "processes (namespaces)", "network (namespaces)", "scratch in memory"),
    _unavailable,
    _apply,
)
