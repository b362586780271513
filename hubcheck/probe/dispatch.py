"""The thread behind the pool: hands parts of jobs to workers, and reads what they send."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any

from hubcheck.observations import Device, NotRun, Observations
from hubcheck.probe import control
from hubcheck.probe.collect import Collector
from hubcheck.probe.failures import from_end
from hubcheck.probe.frames import BadFrame, Decoder, encode
from hubcheck.probe.launch import ServerProcess
from hubcheck.probe.memory import fair_share
from hubcheck.probe.plan import Plan, to_json


class ProbeError(RuntimeError):
    """Modules cannot be run here, or hubcheck's own code failed: never a fault of a module."""


@dataclass(slots=True)
class Part:
    """What one worker does for a job: a plan, within limits."""

    plan: Plan
    timeout: float
    memory: int | None = None


@dataclass(slots=True)
class Job:
    """One module: its parts, and what came of those that are finished."""

    future: Future[Observations]
    parts: list[Part]
    not_run: Sequence[NotRun]
    submitted: float
    finished: list[tuple[Part, Collector, int]] = field(default_factory=list)
    started: bool = False


@dataclass(slots=True)
class _Running:
    job: Job
    part: Part
    server: ServerProcess
    channel: socket.socket
    decoder: Decoder
    collector: Collector
    memory: int
    protocol: bool = False


class Dispatcher:
    """One thread that owns the servers and the workers' channels; no other thread touches them."""

    def __init__(self, devices: Sequence[str], jobs: int, command: Sequence[str] | None) -> None:
        self._jobs = jobs
        self._lock = threading.Lock()
        self._submitted: deque[Job] = deque()
        self._closing = False
        self._waiting: deque[tuple[Job, Part]] = deque()
        self._running: dict[int, _Running] = {}
        self._ids = 0
        self._broken: str | None = None
        self._selector = selectors.DefaultSelector()
        self._wake, self._waker = socket.socketpair()
        self._selector.register(self._wake, selectors.EVENT_READ, None)
        self._servers = {device: ServerProcess(device, command) for device in devices}
        for server in self._servers.values():
            self._selector.register(server.channel, selectors.EVENT_READ, server)
        self._thread = threading.Thread(target=self._run, name="hubcheck-probe", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Have a job done some time. Thread-safe."""
        with self._lock:
            if self._closing:
                raise ProbeError("the pool is closed")
            self._submitted.append(job)
        self._waker.send(b"!")

    def close(self) -> None:
        """End all workers and servers, and wait for it. Thread-safe; may be called twice."""
        with self._lock:
            if self._closing:
                return
            self._closing = True
        self._waker.send(b"!")
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._closing:
                self._take_jobs()
                self._start_parts()
                for key, _ in self._selector.select():
                    if key.fileobj is self._wake:
                        self._wake.recv(4096)
                    elif isinstance(key.data, ServerProcess):
                        self._hear(key.data)
                    elif key.data.channel.fileno() >= 0:
                        self._read(key.data)
        except Exception as error:  # a bug of ours: nobody may wait for ever
            self._broken = f"the dispatcher failed: {type(error).__name__}: {error}"
            raise
        finally:
            self._end()

    def _end(self) -> None:
        with self._lock:
            self._closing = True
            jobs = {id(job): job for job in self._submitted}
        jobs.update((id(job), job) for job, _ in self._waiting)
        jobs.update((id(running.job), running.job) for running in self._running.values())
        for running in self._running.values():
            running.channel.close()
        for server in self._servers.values():
            server.close()
        for job in jobs.values():
            if not job.future.cancel():
                self._refuse(job, self._broken or "the pool was closed before the module had run")
        self._selector.close()
        self._wake.close()
        self._waker.close()

    def _refuse(self, job: Job, reason: str) -> None:
        with contextlib.suppress(Exception):  # it may be done or cancelled by now
            job.future.set_exception(ProbeError(reason))

    def _take_jobs(self) -> None:
        while True:
            with self._lock:
                if not self._submitted:
                    return
                job = self._submitted.popleft()
            if self._broken is not None:
                self._refuse(job, self._broken)
            else:
                self._waiting.extend((job, part) for part in job.parts)

    def _start_parts(self) -> None:
        while self._waiting and len(self._running) < self._jobs:
            job, part = self._waiting.popleft()
            if not job.started:
                if not job.future.set_running_or_notify_cancel():
                    self._waiting = deque(entry for entry in self._waiting if entry[0] is not job)
                    continue
                job.started = True
            self._start(job, part)

    def _start(self, job: Job, part: Part) -> None:
        server = self._servers[part.plan.device]
        memory = part.memory or fair_share(self._jobs)
        ours, theirs = socket.socketpair()
        self._ids += 1
        ours.sendall(encode(to_json(part.plan)))
        ours.setblocking(False)
        message = {"do": "start", "id": self._ids, "timeout": part.timeout, "memory": memory}
        try:
            control.send(server.channel, message, theirs.fileno())
        except OSError:
            ours.close()
            self._refuse(job, "the probe server is gone")
            return
        finally:
            theirs.close()
        running = _Running(job, part, server, ours, Decoder(), Collector(part.plan), memory)
        self._running[self._ids] = running
        self._selector.register(ours, selectors.EVENT_READ, running)

    def _hear(self, server: ServerProcess) -> None:
        packet = control.receive(server.channel)
        if packet is None or packet[0]["say"] == "fatal":
            died = f"the probe server died: {server.last_words() or 'no reason told'}"
            self._fail_all(server, packet[0]["reason"] if packet else died)
            return
        message = packet[0]
        if message["say"] == "ready":
            server.ready = True
        elif message["say"] == "ended" and message["id"] in self._running:
            self._ended(self._running.pop(message["id"]), message)

    def _fail_all(self, server: ServerProcess, reason: str) -> None:
        self._broken = reason
        self._selector.unregister(server.channel)
        for job, _ in self._waiting:
            self._refuse(job, reason)
        self._waiting.clear()
        for number, running in list(self._running.items()):
            if running.server is server:
                del self._running[number]
                self._forget(running)
                self._refuse(running.job, reason)

    def _read(self, running: _Running) -> bool:
        """Read what there is; False at the end of the stream."""
        try:
            data = running.channel.recv(1 << 20)
        except BlockingIOError:
            return False
        except ConnectionResetError:
            data = b""
        if not data:
            with contextlib.suppress(KeyError):
                self._selector.unregister(running.channel)
            return False
        if running.protocol:
            return True
        try:
            for message, array in running.decoder.feed(data):
                running.collector.take(message, array)
        except BadFrame:
            running.protocol = True
            number = next(number for number, other in self._running.items() if other is running)
            control.send(running.server.channel, {"do": "stop", "id": number})
        return True

    def _ended(self, running: _Running, message: dict[str, Any]) -> None:
        while self._read(running):
            pass
        self._forget(running)
        collector, part = running.collector, running.part
        cause, code, tail = message["cause"], message.get("code", 0), message["tail"]
        if collector.crash is not None or cause == "lost" or (cause == "exit" and code == 70 and not running.protocol):
            self._refuse(running.job, f"hubcheck's worker failed: {collector.crash or tail}")
            self._waiting = deque(entry for entry in self._waiting if entry[0] is not running.job)
            return
        if not collector.done or running.protocol:
            cause = "protocol" if running.protocol else cause
            collector.fail(from_end(cause, code, tail, timeout=part.timeout, memory=running.memory))
        job = running.job
        job.finished.append((part, collector, message.get("peak", 0)))
        if len(job.finished) == len(job.parts):
            with contextlib.suppress(Exception):
                job.future.set_result(_observations(job))

    def _forget(self, running: _Running) -> None:
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(running.channel)
        running.channel.close()


def _observations(job: Job) -> Observations:
    """All parts of a job, in the order of the plan."""
    order = {id(part): number for number, part in enumerate(job.parts)}
    finished = sorted(job.finished, key=lambda entry: order[id(entry[0])])
    devices = list(dict.fromkeys(part.plan.device for part in job.parts))
    collectors = [collector for _, collector, _ in finished]
    return Observations(
        devices=tuple(Device(device, True) for device in devices),
        loads=tuple(load for collector in collectors for load in collector.loads),
        runs=tuple(run for collector in collectors for run in collector.runs),
        not_run=tuple(replace(entry, device=device) for device in devices for entry in job.not_run)
        + tuple(entry for collector in collectors for entry in collector.not_run),
        sandbox=tuple(dict.fromkeys(name for collector in collectors for name in collector.sandbox)),
        unprotected=tuple(dict.fromkeys(name for collector in collectors for name in collector.unprotected)),
        peak_memory=max((peak for _, _, peak in finished), default=0),
        seconds=time.monotonic() - job.submitted,
    )
