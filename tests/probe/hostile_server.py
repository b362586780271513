"""A probe server whose workers misbehave, as a module that took over its worker could. A Pool starts it instead of the
real server; the seed of a plan selects what its worker does."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

if __name__ == "__main__":
    sys.path.extend(entry for entry in sys.argv[3].split(os.pathsep) if entry)

from hubcheck.probe.plan.steps import ProbePlan
from hubcheck.probe.wire.framing import encode
from hubcheck.probe.worker import server


def write(folder: Path) -> str:
    (folder.parent / "escaped").write_text("x", encoding="utf-8")
    return "written"


def read(folder: Path) -> str:
    return (folder.parent / "secret").read_text(encoding="utf-8")


def execute(folder: Path) -> str:
    os.execv("/bin/sh", ["sh", "-c", f"echo x > {folder.parent}/escaped"])


def connect(folder: Path) -> str:
    port = int((folder / "port").read_text(encoding="ascii"))
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(b"hello")
    return "connected"


def fork(folder: Path) -> str:
    if os.fork() == 0:
        time.sleep(60)
        os._exit(0)
    return "forked"


def daemon(folder: Path) -> str:
    """Leave a process in another session behind, which the filter of system calls prevents."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(60)
        os._exit(0)
    return "forked"


def terminate(folder: Path) -> str:
    os.kill(os.getppid(), signal.SIGKILL)
    return "killed the server"


def change_permissions(folder: Path) -> str:
    os.chmod(folder, 0o777)  # noqa: PTH101
    return "changed permissions"


def allocate(folder: Path) -> str:
    held = []
    while True:
        held.append(bytearray(1 << 28))


def need_much(folder: Path) -> str:
    """Allocate what a large but honest module needs."""
    held = bytearray(700 << 20)
    return f"had {len(held) >> 20} MiB"


def fail_internally(folder: Path) -> str:
    """Exit as a worker does in which hubcheck's own code failed."""
    raise SystemExit(70)


def loop(folder: Path) -> str:
    while True:
        pass


def abort(folder: Path) -> str:
    os.write(2, b"F0000 00:00:00.000000 1 strange.cc:7] Check failed: ok (0 vs. 1) the end\n")
    os.abort()


def segfault(folder: Path) -> str:
    ctypes.string_at(0)
    return "read address 0"


def fill(folder: Path) -> str:
    """Fill the scratch folder, the only one where it may write, with files that are each below the limit."""
    for number in range(1000):
        with Path(f"part-{number}").open("wb") as file:
            file.write(bytes(1 << 27))
    return "filled the disk"


def print_much(folder: Path) -> str:
    line = b"x" * 65535 + b"\n"
    for _ in range(1 << 15):
        os.write(1, line)
    return "printed 2 GB"


def print_control_characters(folder: Path) -> str:
    os.write(1, b"\x01" * 20_000)
    return "printed"


def send_garbage(folder: Path) -> str:
    socket.socket(fileno=os.dup(3)).sendall(b"\xff" * 100_000)
    time.sleep(60)
    return "sent garbage"


def endless_frame(folder: Path) -> str:
    channel = socket.socket(fileno=os.dup(3))
    channel.sendall(b"\x00\x0f\xff\xff\x00\x00\x00\x00")
    while True:
        channel.sendall(b" " * 65536)


def result_without_step(folder: Path) -> str:
    message = {"kind": "run", "step": 0, "seconds": 0, "error": None, "outputs": {}}
    socket.socket(fileno=os.dup(3)).sendall(encode(message))
    time.sleep(60)
    return "sent a result"


ACTIONS: tuple[Callable[[Path], str], ...] = (
    *(
        write,
        read,
        execute,
        connect,
        fork,
        daemon,
        terminate,
        change_permissions,
        allocate,
        need_much,
        fail_internally,
        loop,
        abort,
        segfault,
        fill,
    ),
    *(print_much, print_control_characters, send_garbage, endless_frame, result_without_step),
)


def seed_of(action: Callable[[Path], str]) -> int:
    """Return the seed of a plan whose worker does this."""
    return 1000 + ACTIONS.index(action)


def work(channel: socket.socket, plan: ProbePlan) -> None:
    """Misbehave and report the outcome as the error of the first load; with a seed below 1000, run the plan."""
    if plan.seed < 1000:
        from hubcheck.probe.worker.runner import work as run_plan

        run_plan(channel, plan)
        return
    channel.sendall(encode({"kind": "begin", "step": 0}))
    try:
        outcome = ACTIONS[plan.seed - 1000](Path(plan.path))
    except SystemExit:
        raise
    except BaseException as error:
        outcome = f"{type(error).__name__}: {error}"
    error_of_load = {"type": "Outcome", "message": outcome}
    channel.sendall(encode({"kind": "load", "step": 0, "seconds": 0.0, "error": error_of_load}))
    channel.sendall(encode({"kind": "done"}))


if __name__ == "__main__":
    server.main(sys.argv[1:], work)
