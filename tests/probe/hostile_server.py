"""A probe server whose workers misbehave, as a module that took over its worker could. A Pool starts it instead of the
real server; the seed of a plan selects what its worker does."""

from __future__ import annotations

import ctypes
import mmap
import os
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.extend(entry for entry in sys.argv[3].split(os.pathsep) if entry)

from hubcheck.probe.plan.steps import LoadStep, ProbePlan
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


def allocate_shared(folder: Path) -> str:
    """Take memory that RLIMIT_DATA does not count, and which stays when it is no longer mapped."""
    held = []
    while True:
        held.append(mmap.mmap(-1, 1 << 26))
        held[-1].write(b"x" * (1 << 26))


def allocate_memory_files(folder: Path) -> str:
    """Take memory as files that are open, but neither listed nor mapped, as a worker on a GPU may make them."""
    for _ in range(40):
        file = os.memfd_create("x")
        for _ in range(100):
            os.write(file, bytes(1 << 20))
    return "wrote 4 GB"


def allocate_page_tables(folder: Path) -> str:
    """Map memory that is only read, which takes none of its own, but a table of 4 KiB for every 2 MiB."""
    for _ in range(16):
        zeros = mmap.mmap(-1, 1 << 40, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, mmap.PROT_READ)
        for place in range(0, 1 << 40, 1 << 21):
            zeros[place]
    return "read 16 TiB"


def fill_with_little_memory(folder: Path) -> str:
    """Fill the scratch folder up to its size, which is memory too."""
    for number in range(3):
        Path(f"part-{number}").write_bytes(bytes(100 << 20))
    time.sleep(10)
    return "has 300 MiB"


def start_threads(folder: Path) -> str:
    threading.stack_size(1 << 15)
    for _ in range(20_000):
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
    time.sleep(1)
    return "started 20,000 threads"


def make_files(folder: Path) -> str:
    """Take memory of the kernel with files that have no size."""
    for number in range(1_000_000):
        Path(str(number)).touch()
    return "made a million files"


def need_much(folder: Path) -> str:
    """Allocate what a large but honest module needs."""
    held = bytearray(700 << 20)
    return f"had {len(held) >> 20} MiB"


def exit_like_our_own_crash(folder: Path) -> str:
    """Exit as a worker does in which hubcheck's own code failed."""
    os._exit(70)


def exit_with_success(folder: Path) -> str:
    os._exit(0)


def kill_itself(folder: Path) -> str:
    """End as if the system had killed the worker."""
    signal.raise_signal(signal.SIGKILL)
    return "survived"


def divide_by_zero(folder: Path) -> str:
    signal.raise_signal(signal.SIGFPE)
    return "survived"


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


def forging(*stream: bytes | dict[str, Any]) -> Callable[[Path], str]:
    """Return an action that sends frames, or bytes as they are, and waits."""

    def forge(folder: Path) -> str:
        channel = socket.socket(fileno=os.dup(3))
        for part in stream:
            channel.sendall(part if isinstance(part, bytes) else encode(part))
        time.sleep(60)
        return "sent a forged frame"

    return forge


LOADED = {"kind": "load", "step": 0, "seconds": 0.0, "error": None}
RUN = {"kind": "run", "step": 1, "seconds": 0.0, "error": None, "outputs": {}}
ARRAY = b'{"kind": "array", "step": 1, "key": "default"}'
BEGIN = {"kind": "begin", "step": 1}


def raw(text: bytes, array: bytes = b"") -> bytes:
    return struct.pack(">II", len(text), len(array)) + text + array


FORGED: dict[str, Callable[[Path], str]] = {
    "a result of a step that has not begun": forging({**RUN, "step": 0}),
    "a claim that there is a sandbox": forging({"kind": "sandbox", "enforced": ["everything"], "missing": []}),
    "a device that is absent": forging({"kind": "device", "absent": "there is none"}),
    "an end before anything was called": forging(LOADED, {"kind": "done"}),
    "an end instead of the load": forging({"kind": "done"}),
    "a call that was not asked for": forging(LOADED, {"kind": "begin", "step": 9_999}),
    "a later step": forging(LOADED, {"kind": "begin", "step": 3}),
    "a frame without its fields": forging({"kind": "load"}),
    "a frame with another field": forging({**LOADED, "verdict": "conforms"}),
    "a time that is infinite": forging(raw(b'{"kind": "load", "step": 0, "seconds": 1e400, "error": null}')),
    "a time that is no number": forging(raw(b'{"kind": "load", "step": 0, "seconds": NaN, "error": null}')),
    "a key twice": forging(raw(b'{"kind": "load", "step": 0, "step": 0, "seconds": 0, "error": null}')),
    "a step that is true": forging({**LOADED, "step": True}),
    "nested lists": forging(raw(b'{"kind": ' + b"[" * 500_000)),
    "a huge integer": forging(raw(b'{"kind": "load", "step": ' + b"1" * 500_000 + b"}")),
    "a shape of huge numbers": forging(
        LOADED, BEGIN, {**RUN, "outputs": {"default": {"dtype": "float32", "shape": [10**300]}}}
    ),
    "an array that is none": forging(
        LOADED, BEGIN, raw(b'{"kind": "array", "step": 1, "key": "default"}', b"\x93NUMPY")
    ),
    "an array of objects": forging(
        LOADED,
        BEGIN,
        raw(
            ARRAY,
            b"\x93NUMPY\x01\x00\x3a\x00{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n" + b"c" * 40,
        ),
    ),
    "a text for an array": forging(LOADED, BEGIN, {"kind": "array", "step": 1, "key": ["default"]}),
}
"""What a module sends in place of its worker, none of which a worker would send."""


def nest_folders(folder: Path) -> str:
    """Nest folders deeper than any path is long, in the scratch folder."""
    for _ in range(3_000):
        Path("folder").mkdir()
        os.chdir("folder")
    return "nested folders"


def bomb(folder: Path) -> str:
    """Fork without end, or start threads where that is refused."""
    while True:
        try:
            os.fork()
        except OSError:
            threading.Thread(target=time.sleep, args=(60,)).start()


def flood_of_frames(folder: Path) -> str:
    channel = socket.socket(fileno=os.dup(3))
    while True:
        channel.sendall(encode({"kind": "begin", "step": 0}) * 1000)


def half_a_frame(folder: Path) -> str:
    socket.socket(fileno=os.dup(3)).sendall(encode(LOADED)[:20])
    os._exit(0)


def close_the_channel(folder: Path) -> str:
    os.close(3)
    os._exit(3)


def claim_a_crash_of_hubcheck(folder: Path) -> str:
    socket.socket(fileno=os.dup(3)).sendall(encode({"kind": "crash", "traceback": "Traceback:\nKeyError: 'ours'"}))
    os._exit(0)


def raise_slow_text(folder: Path) -> str:
    """Fail with a message that takes patterns with nested repetitions minutes."""
    part = "No OpKernel was registered to support Op 'A' with these attrs: [ {{node {{ [Op: \t\t NCHW platform "
    raise ValueError(part * 10_000)


def raise_control_characters(folder: Path) -> str:
    raise ValueError("\x1b]0;title\x07\u202e\ud800::error::\n##[error]" * 1000)


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
        allocate_shared,
        allocate_page_tables,
        allocate_memory_files,
        fill_with_little_memory,
        start_threads,
        make_files,
        need_much,
        exit_like_our_own_crash,
        exit_with_success,
        kill_itself,
        divide_by_zero,
        loop,
        abort,
        segfault,
        fill,
    ),
    *(print_much, print_control_characters, send_garbage, endless_frame, flood_of_frames, half_a_frame),
    *(nest_folders, bomb),
    *(close_the_channel, claim_a_crash_of_hubcheck, raise_slow_text, raise_control_characters),
    *FORGED.values(),
)

FAIL_BEFORE_THE_MODULE = 999
"""The seed of a plan whose worker fails, by an error of hubcheck's own, before it loads the module."""


def seed_of(action: Callable[[Path], str]) -> int:
    """Return the seed of a plan whose worker does this."""
    return 1000 + ACTIONS.index(action)


def work(channel: socket.socket, plan: ProbePlan) -> None:
    """Misbehave as the seed of the plan says; with a seed below 1000, run the plan."""
    if plan.seed == FAIL_BEFORE_THE_MODULE:
        raise SystemExit(70)
    if plan.seed < 1000:
        from hubcheck.probe.worker.runner import work as run_plan

        run_plan(channel, plan)
    else:
        misbehave(channel, plan, ACTIONS[plan.seed - 1000])


def misbehave(channel: socket.socket, plan: ProbePlan, action: Callable[[Path], str]) -> None:
    """Begin the first load, misbehave, and report the outcome as the error of all loads."""
    channel.sendall(encode({"kind": "begin", "step": 0}))
    try:
        outcome = action(Path(plan.path))
    except SystemExit:
        raise
    except BaseException as error:
        outcome = f"{type(error).__name__}: {error}"
    error_of_load = {"type": "Outcome", "message": outcome}
    for number, step in enumerate(plan.steps):
        if isinstance(step, LoadStep) and step.condition == "always":
            if number > 0:
                channel.sendall(encode({"kind": "begin", "step": number}))
            channel.sendall(encode({**LOADED, "step": number, "error": error_of_load}))
    channel.sendall(encode({"kind": "done"}))


if __name__ == "__main__":
    server.main(sys.argv[1:], work)
