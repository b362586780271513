"""The server: imports TensorFlow once, forks a worker for each request, and watches over the workers.

Started as `python server.py FD ...`, not through multiprocessing, which would run the caller's script again.
It must not start TensorFlow's runtime: its threads would not survive the fork. It runs no module itself, so
hubcheck trusts it; a worker it does not.
"""

from __future__ import annotations

import gc
import os
import resource
import select
import selectors
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # run as a file: hubcheck need not be on the path of a bare interpreter
    sys.path.extend(entry for entry in sys.argv[3].split(os.pathsep) if entry)

from hubcheck.probe.plan.steps import ProbePlan, from_json
from hubcheck.probe.wire import control
from hubcheck.probe.wire.framing import Decoder, encode
from hubcheck.sandbox import enforce as sandbox
from hubcheck.sandbox import processes as system

_TICK = 0.05
_TAIL = 16_384
_MAX_SCRATCH = 1 << 29

Work = Callable[[socket.socket, ProbePlan], None]


@dataclass(slots=True)
class _Worker:
    id: int
    pid: int
    errors: int
    scratch: Path
    deadline: float
    memory: int
    tail: bytearray = field(default_factory=bytearray)
    cause: str | None = None
    peak: int = 0


class Server:
    """Forks workers and ends them: at their deadline, beyond their memory, or when hubcheck is gone."""

    def __init__(self, channel: socket.socket, scratch: Path, work: Work) -> None:
        self._channel = channel
        self._scratch = scratch
        self._work = work
        self._pid = os.getpid()
        self._workers: dict[int, _Worker] = {}
        self._selector = selectors.DefaultSelector()
        self._wake, wake = socket.socketpair()
        self._wake.setblocking(False)
        wake.setblocking(False)
        self._wake_writer = wake
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        self._selector.register(self._channel, selectors.EVENT_READ, None)
        self._selector.register(self._wake, selectors.EVENT_READ, None)

    def serve(self) -> None:
        """Until the other side closes the channel; then nothing is left: no worker, no scratch folder."""
        try:
            control.send(self._channel, {"say": "ready"})
            while self._turn():
                pass
        except (BrokenPipeError, ConnectionResetError):
            pass
        finally:
            for worker in list(self._workers.values()):
                self._kill(worker)
            system.kill_children(set())
            shutil.rmtree(self._scratch, ignore_errors=True)

    def _turn(self) -> bool:
        for key, _ in self._selector.select(_TICK if self._workers else None):
            if key.fileobj is self._channel:
                packet = control.receive(self._channel)
                if packet is None:
                    return False
                self._obey(*packet)
            elif key.fileobj is self._wake:
                self._wake.recv(4096)
            else:
                self._drain(key.data)
        self._reap()
        self._watch()
        return True

    def _obey(self, message: dict[str, Any], descriptors: list[int]) -> None:
        if message["do"] == "start":
            self._start(message, descriptors[0])
        elif message["do"] == "stop":
            for worker in self._workers.values():
                if worker.id == message["id"]:
                    worker.cause = "stopped"
                    self._kill(worker)

    def _start(self, message: dict[str, Any], descriptor: int) -> None:
        scratch = self._scratch / str(message["id"])
        try:
            scratch.mkdir(parents=True)
            reader, writer = os.pipe()
            pid = os.fork()
        except OSError as error:
            os.close(descriptor)
            control.send(self._channel, {"say": "ended", "id": message["id"], "cause": "lost", "tail": str(error)})
            return
        if pid == 0:
            self._become_worker(descriptor, writer, scratch, message)
        os.close(descriptor)
        os.close(writer)
        os.set_blocking(reader, False)
        worker = _Worker(message["id"], pid, reader, scratch, time.monotonic() + message["timeout"], message["memory"])
        self._workers[pid] = worker
        self._selector.register(reader, selectors.EVENT_READ, worker)

    def _become_worker(self, descriptor: int, writer: int, scratch: Path, message: dict[str, Any]) -> None:
        """In the forked process; never returns."""
        status = 70
        try:
            signal.set_wakeup_fd(-1)
            system.enter_worker(descriptor, writer, parent=self._pid)
            channel = socket.socket(fileno=3)
            plan = _read_plan(channel)
            if plan is not None:
                protections = sandbox.enter(scratch, plan.path, message, device=plan.device)
                active, missing = list(protections.active), list(protections.missing)
                channel.sendall(encode({"kind": "sandbox", "active": active, "missing": missing}))
                self._work(channel, plan)
                status = 0
        except BaseException:  # nothing of the server may run on in the worker
            import traceback

            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)

    def _drain(self, worker: _Worker) -> None:
        try:
            data = os.read(worker.errors, 1 << 16)
        except BlockingIOError:
            return
        if data:
            worker.tail += data
            del worker.tail[:-_TAIL]
        else:
            self._selector.unregister(worker.errors)
            os.close(worker.errors)
            worker.errors = -1

    def _reap(self) -> None:
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            worker = self._workers.pop(pid, None)
            if worker is not None:
                self._ended(worker, status, usage)

    def _ended(self, worker: _Worker, status: int, usage: resource.struct_rusage) -> None:
        system.kill_group(worker.pid)
        system.kill_children(set(self._workers))
        if worker.errors >= 0:
            self._drain(worker)
        if worker.errors >= 0:
            self._selector.unregister(worker.errors)
            os.close(worker.errors)
        shutil.rmtree(worker.scratch, ignore_errors=True)
        code = os.waitstatus_to_exitcode(status)
        message = {
            "say": "ended",
            "id": worker.id,
            "cause": worker.cause or ("signal" if code < 0 else "exit"),
            "code": code,
            "peak": max(worker.peak, usage.ru_maxrss * 1024),
            "tail": worker.tail.decode("utf-8", "replace"),
        }
        control.send(self._channel, message)

    def _watch(self) -> None:
        now = time.monotonic()
        for worker in self._workers.values():
            if worker.cause is not None:
                continue
            used = system.memory_of(worker.pid)
            worker.peak = max(worker.peak, used)
            if used > worker.memory:
                worker.cause = "memory"
            elif now > worker.deadline:
                worker.cause = "deadline"
            elif system.folder_size(worker.scratch, _MAX_SCRATCH) > _MAX_SCRATCH:
                worker.cause = "disk"
            if worker.cause is not None:
                self._kill(worker)

    def _kill(self, worker: _Worker) -> None:
        system.kill_group(worker.pid)


def _read_plan(channel: socket.socket) -> ProbePlan | None:
    decoder = Decoder()
    while data := channel.recv(1 << 16):
        for message, _ in decoder.feed(data):
            return from_json(message)
    return None


@contextmanager
def _ending_with(channel: socket.socket, scratch: Path) -> Iterator[None]:
    """While TensorFlow is imported, which takes seconds: end at once when hubcheck does.

    The thread that waits for it is gone afterwards, for a process that forks must not have any.
    """
    ours, theirs = socket.socketpair()

    def wait() -> None:
        poll = select.poll()
        poll.register(channel, select.POLLHUP)
        poll.register(theirs, select.POLLIN)
        if channel.fileno() in (descriptor for descriptor, _ in poll.poll()):
            shutil.rmtree(scratch, ignore_errors=True)
            os._exit(0)

    thread = threading.Thread(target=wait)
    thread.start()
    try:
        yield
    finally:
        ours.close()
        thread.join()
        theirs.close()


def main(arguments: list[str], work: Work | None = None) -> None:
    """`arguments`: the channel's descriptor and the scratch folder."""
    channel = socket.socket(fileno=int(arguments[0]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    system.become_subreaper()
    scratch = Path(arguments[1])
    if work is None:
        try:
            with _ending_with(channel, scratch):
                import tensorflow  # noqa: F401
        except BaseException as error:
            control.send(channel, {"say": "fatal", "reason": f"TensorFlow cannot be imported: {error}"[:2000]})
            shutil.rmtree(scratch, ignore_errors=True)
            return
        # TensorFlow's loader imports tf_keras where it is installed, and then loads what elsewhere does not load.
        sys.modules["tf_keras"] = None  # type: ignore[assignment]
        from hubcheck.probe.worker.runner import work as run_plan

        work = run_plan
    gc.collect()
    gc.freeze()  # a garbage collection in a worker would copy every page of the server's objects
    Server(channel, scratch, work).serve()


if __name__ == "__main__":
    main(sys.argv[1:])
