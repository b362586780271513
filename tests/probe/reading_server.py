"""A probe server whose workers try to read the files that `attempts`, a file of the module, lists, and report which of
them they could read. They do so in native code, after the sandbox is set up, as a module that runs such code could."""

from __future__ import annotations

import ctypes
import os
import socket
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.extend(entry for entry in sys.argv[3].split(os.pathsep) if entry)

from hubcheck.probe.plan.steps import ProbePlan
from hubcheck.probe.wire.framing import encode
from hubcheck.probe.worker import server


def first_bytes(path: bytes) -> bytes | None:
    """Return the first bytes of a file, with the C library's own functions; None if it cannot be opened."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.open(path, os.O_RDONLY | os.O_NONBLOCK)
    if descriptor < 0:
        return None
    buffer = ctypes.create_string_buffer(64)
    count = libc.read(descriptor, buffer, 64)
    libc.close(descriptor)
    return buffer.raw[: max(count, 0)]


def _nest(depth: int) -> None:
    """Make folders in each other, in the folder where the worker may write."""
    for _ in range(depth):
        os.mkdir("d")  # noqa: PTH102
        os.chdir("d")


def work(channel: socket.socket, plan: ProbePlan) -> None:
    """Read the files, and report the names of those that could be read as the error of the first load."""
    attempts = (Path(plan.path) / "attempts").read_bytes().splitlines()
    if b"nest" in attempts:
        _nest(1_500)
    os.chdir(plan.path)
    found = [first_bytes(path) for path in attempts]
    outcome = "read: " + " ".join(os.fsdecode(path) for path, data in zip(attempts, found, strict=True) if data)
    channel.sendall(encode({"kind": "begin", "step": 0}))
    error = {"type": "Outcome", "message": outcome}
    channel.sendall(encode({"kind": "load", "step": 0, "seconds": 0.0, "error": error}))
    channel.sendall(encode({"kind": "done"}))


if __name__ == "__main__":
    server.main(sys.argv[1:], work)
