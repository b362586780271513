"""Fork a worker for each request, and end it at its deadline, beyond its memory, or when hubcheck is gone."""

from __future__ import annotations

import os
import selectors
import signal
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hubcheck.probe.wire import control
from hubcheck.probe.worker.forked import Work, run_worker
from hubcheck.probe.worker.permissions import MAX_SCRATCH
from hubcheck.sandbox.processes import kill_children, kill_group, scratch_apart, usage_below
from hubcheck.util.folders import remove_folder

_WATCH_INTERVAL = 0.05
_LOG_TAIL = 8_192  # as JSON, a byte takes up to 6, and a control packet holds 64 KiB
_MAX_FILES = 100_000
"""Files in a scratch folder in memory, where each takes about 1 KiB that nothing else counts."""
_MAX_THREADS = 4096
"""Threads of one worker. TensorFlow starts a few for each core."""


@dataclass(slots=True)
class _Worker:
    """A running worker. `log` is the descriptor of what it prints, `cause` why the server ended it."""

    id: int
    pid: int
    log: int
    scratch: Path
    deadline: float
    memory: int
    log_tail: bytearray = field(default_factory=bytearray)
    cause: str | None = None


class Supervisor:
    """Serves one channel: starts and stops workers as it is asked to, and reports how each of them ended."""

    def __init__(self, channel: socket.socket, scratch: Path, work: Work) -> None:
        self._channel = channel
        self._scratch = scratch
        if os.geteuid() == 0:
            scratch.chmod(0o711)  # workers of root become another user, who must get to their own folders
        self._work = work
        self._pid = os.getpid()
        self._workers: dict[int, _Worker] = {}
        self._next_watch = 0.0
        self._rests_until: float | None = None
        self._child_ended, self._waker = socket.socketpair()
        self._child_ended.setblocking(False)
        self._waker.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._channel, selectors.EVENT_READ, None)
        self._selector.register(self._child_ended, selectors.EVENT_READ, None)

    def serve(self) -> None:
        """Serve until the other side closes the channel; then end all workers and remove the scratch folder."""
        try:
            control.send(self._channel, {"event": "ready"})
            while self._turn():
                pass
        except (BrokenPipeError, ConnectionResetError):
            pass
        finally:
            self._channel.close()
            for worker in self._workers.values():
                kill_group(worker.pid)
            kill_children(set())
            remove_folder(self._scratch)

    def _turn(self) -> bool:
        for key, _ in self._selector.select(self._patience()):
            if key.fileobj is self._channel:
                packet = control.receive(self._channel)
                if packet is None:
                    return False
                self._obey(*packet)
            elif key.fileobj is self._child_ended:
                self._child_ended.recv(4096)
            else:
                self._read_log(key.data)
        self._reap()
        self._enforce_limits()
        return self._workers != {} or self._rests_until is None or time.monotonic() < self._rests_until

    def _patience(self) -> float | None:
        """Return the seconds until something is to be done although nothing happens; None if nothing is."""
        if self._workers:
            return _WATCH_INTERVAL
        return None if self._rests_until is None else max(0.0, self._rests_until - time.monotonic())

    def _obey(self, message: dict[str, Any], descriptors: list[int]) -> None:
        self._rests_until = None
        if message["command"] == "start":
            self._start(message, descriptors[0])
        elif message["command"] == "rest":
            self._rests_until = time.monotonic() + message["seconds"]
        elif message["command"] == "stop":
            for worker in self._workers.values():
                if worker.id == message["id"]:
                    worker.cause = "stopped"
                    kill_group(worker.pid)

    def _start(self, message: dict[str, Any], channel: int) -> None:
        scratch = self._scratch / str(message["id"])
        try:
            scratch.mkdir(0o700, parents=True)
            log, writer = os.pipe()
            pid = os.fork()
        except OSError as error:
            os.close(channel)
            report = {"event": "ended", "id": message["id"], "cause": "not started", "code": 0, "log": str(error)}
            control.send(self._channel, report)
            return
        if pid == 0:
            run_worker(self._work, message, channel=channel, log=writer, scratch=scratch, server_pid=self._pid)
        os.close(channel)
        os.close(writer)
        os.set_blocking(log, False)
        worker = _Worker(message["id"], pid, log, scratch, time.monotonic() + message["timeout"], message["memory"])
        self._workers[pid] = worker
        self._selector.register(log, selectors.EVENT_READ, worker)

    def _read_log(self, worker: _Worker) -> None:
        try:
            data = os.read(worker.log, 1 << 16)
        except BlockingIOError:
            return
        worker.log_tail += data
        del worker.log_tail[:-_LOG_TAIL]
        if not data:
            self._close_log(worker)

    def _close_log(self, worker: _Worker) -> None:
        self._selector.unregister(worker.log)
        os.close(worker.log)
        worker.log = -1

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            worker = self._workers.pop(pid, None)
            if worker is not None:
                self._report_end(worker, os.waitstatus_to_exitcode(status))

    def _report_end(self, worker: _Worker, code: int) -> None:
        kill_group(worker.pid)
        kill_children(set(self._workers))
        if worker.log >= 0:
            self._read_log(worker)
        if worker.log >= 0:
            self._close_log(worker)
        remove_folder(worker.scratch)
        message = {
            "event": "ended",
            "id": worker.id,
            "cause": worker.cause or ("signal" if code < 0 else "exit"),
            "code": code,
            "log": worker.log_tail.decode("utf-8", "replace"),
        }
        control.send(self._channel, message)

    def _enforce_limits(self) -> None:
        now = time.monotonic()
        if now < self._next_watch:
            return
        self._next_watch = now + _WATCH_INTERVAL
        for worker in self._workers.values():
            if worker.cause is not None:
                continue
            usage, scratch = usage_below(worker.pid), scratch_apart(worker.pid, worker.scratch)
            if usage.memory + scratch.size > worker.memory:
                worker.cause = "memory"
            elif usage.threads > _MAX_THREADS:
                worker.cause = "threads"
            elif now > worker.deadline:
                worker.cause = "deadline"
            elif _exceeds(worker.scratch, MAX_SCRATCH) or scratch.files > _MAX_FILES:
                worker.cause = "disk"
            if worker.cause is not None:
                kill_group(worker.pid)


def _exceeds(folder: Path, limit: int) -> bool:
    """Return whether the files in a folder take more than `limit` bytes."""
    total = 0
    folders = [str(folder)]
    while folders and total <= limit:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue
    return total > limit
