"""The thread behind the pool: hands parts of jobs to workers, and reads what they send."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hubcheck.probe.dispatch.collect import Collector
from hubcheck.probe.dispatch.failures import from_end
from hubcheck.probe.dispatch.jobs import Finished, Job, ProbeError, WorkerTask
from hubcheck.probe.dispatch.memory import fair_share
from hubcheck.probe.dispatch.server_process import ServerProcess
from hubcheck.probe.plan.steps import to_json
from hubcheck.probe.wire import control
from hubcheck.probe.wire.framing import MAX_JSON, BadFrame, Decoder, encode

_PATIENCE = 30.0


@dataclass(slots=True)
class _Running:
    number: int
    job: Job
    part: WorkerTask
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
        self._waiting: deque[tuple[Job, WorkerTask]] = deque()
        self._undivided: deque[Job] = deque()
        self._running: dict[int, _Running] = {}
        self._started = 0
        self._broken: str | None = None
        self._selector = selectors.DefaultSelector()
        self._wake, self._waker = socket.socketpair()
        self._selector.register(self._wake, selectors.EVENT_READ, None)
        self._servers: dict[str, ServerProcess] = {}
        try:
            for device in devices:
                self._servers[device] = ServerProcess(device, command)
        except BaseException:
            for server in self._servers.values():
                server.close()
            raise
        for server in self._servers.values():
            self._selector.register(server.channel, selectors.EVENT_READ, server)
        self._thread = threading.Thread(target=self._run, name="hubcheck-probe", daemon=True)
        self._thread.start()

    @property
    def pids(self) -> list[int]:
        """The servers' process ids."""
        return [server.pid for server in self._servers.values()]

    def submit(self, job: Job) -> None:
        """Have a job done some time. Thread-safe.

        Raises:
            ProbeError: the pool is closed.
        """
        with self._lock:
            if self._closing:
                raise ProbeError("the pool is closed")
            self._submitted.append(job)
            self._waker.send(b"!")

    def close(self) -> None:
        """End all workers and servers, and wait for it. Thread-safe; may be called twice."""
        with self._lock:
            if not self._closing:
                self._closing = True
                self._waker.send(b"!")
        if threading.current_thread() is not self._thread:  # it may be a garbage collection there that closes
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
                    elif key.data.number in self._running:
                        self._read(key.data)
        except Exception as error:  # a bug of ours: nobody may wait for ever
            self._broken = f"the dispatcher failed: {type(error).__name__}: {error}"
            raise
        finally:
            self._end()

    def _end(self) -> None:
        with self._lock:
            self._closing = True
            jobs = [*self._submitted, *self._undivided]
        jobs += [job for job, _ in self._waiting] + [running.job for running in self._running.values()]
        for running in self._running.values():
            running.channel.close()
        for server in self._servers.values():
            server.close()
        for job in jobs:
            if not job.future.cancel():
                _refuse(job, self._broken or "the pool was closed before the module had run")
        self._selector.close()
        self._wake.close()

    def _take_jobs(self) -> None:
        with self._lock:
            taken = list(self._submitted)
            self._submitted.clear()
        for job in taken:
            if self._broken is not None:
                _refuse(job, self._broken)
            elif job.devices:
                self._undivided.append(job)
            else:
                job.future.set_result(job.observations())

    def _start_parts(self) -> None:
        """Start what there is room for. Until the servers are ready, jobs gather: many of them are not divided."""
        if not all(server.ready for server in self._servers.values()):
            return
        while len(self._running) < self._jobs and not any(running.part.alone for running in self._running.values()):
            if not self._waiting:
                if not self._undivided:
                    return
                room = self._jobs - len(self._running)
                job = self._undivided.popleft()
                if job.future.set_running_or_notify_cancel():
                    parts = job.divide(side_by_side=room > 1 and not self._undivided)
                    self._waiting.extend((job, part) for part in parts)
                continue
            job, part = self._waiting[0]
            if (part.alone and self._running) or self._busy(part):
                return
            self._waiting.popleft()
            self._start(job, part)

    def _busy(self, part: WorkerTask) -> bool:
        """Whether the part waits for a device that one worker has to itself."""
        device = part.plan.device
        return device != "cpu" and any(running.part.plan.device == device for running in self._running.values())

    def _start(self, job: Job, part: WorkerTask) -> None:
        server = self._servers[part.plan.device]
        memory = part.limits.memory or fair_share(1 if part.alone else self._jobs)
        ours, theirs = socket.socketpair()
        self._started += 1
        number = self._started
        message = {
            "do": "start",
            "id": number,
            "timeout": part.limits.timeout,
            "memory": memory,
            "sandbox": part.limits.sandbox,
        }
        plan = encode(to_json(part.plan))
        if len(plan) > MAX_JSON:
            ours.close()
            theirs.close()
            self._give_up(job, "its signatures have too long names to be run")
            return
        try:
            control.send(server.channel, message, theirs.fileno())
            ours.settimeout(_PATIENCE)
            ours.sendall(plan)
        except OSError as error:
            ours.close()
            self._give_up(job, f"the probe server does not answer: {error}")
            return
        finally:
            theirs.close()
        ours.setblocking(False)
        running = _Running(number, job, part, server, ours, Decoder(), Collector(part.plan), memory)
        self._running[number] = running
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
            self._ended(self._running[message["id"]], message)

    def _fail_all(self, server: ServerProcess, reason: str) -> None:
        self._broken = reason
        self._selector.unregister(server.channel)
        for running in list(self._running.values()):
            if running.server is server:
                self._forget(running)
                _refuse(running.job, reason)
        for job in (*self._undivided, *(job for job, _ in self._waiting)):
            _refuse(job, reason)
        self._undivided.clear()
        self._waiting.clear()

    def _read(self, running: _Running) -> bool:
        """Read what there is; False at the end of the stream, or when there is nothing now."""
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
        if not running.protocol:
            try:
                for message, array in running.decoder.feed(data):
                    running.collector.take(message, array)
            except BadFrame:
                running.protocol = True
                control.send(running.server.channel, {"do": "stop", "id": running.number})
        return True

    def _ended(self, running: _Running, message: dict[str, Any]) -> None:
        while self._read(running):
            pass
        self._forget(running)
        job, part, collector = running.job, running.part, running.collector
        cause, code, tail = message["cause"], message.get("code", 0), message["tail"]
        ours = cause == "lost" or (cause == "exit" and code == 70)
        if collector.crash is not None or (ours and not running.protocol):
            self._give_up(job, f"hubcheck's worker failed: {collector.crash or tail}", internal=True)
            return
        if not collector.done or running.protocol:
            cause = "protocol" if running.protocol else cause
            failure = from_end(cause, code, tail, timeout=part.limits.timeout, memory=running.memory)
            collector.fail(failure)
        if self._jobs > 1 and not part.alone and part.limits.memory is None and _ran_out_of_memory(collector):
            # With half of the memory it did not fit; that is no fault yet.
            part.alone = True
            self._waiting.append((job, part))
            return
        job.finished.append(Finished(part, collector, message.get("peak", 0)))
        if len(job.finished) == len(job.parts):
            with contextlib.suppress(Exception):  # cancelled or refused meanwhile
                job.future.set_result(job.observations())

    def _give_up(self, job: Job, reason: str, *, internal: bool = False) -> None:
        _refuse(job, reason, internal=internal)
        self._waiting = deque(entry for entry in self._waiting if entry[0] is not job)

    def _forget(self, running: _Running) -> None:
        self._running.pop(running.number, None)
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(running.channel)
        running.channel.close()


def _ran_out_of_memory(collector: Collector) -> bool:
    failures = [load.failure for load in collector.loads] + [run.failure for run in collector.runs]
    return any(failure is not None and failure.kind == "memory" for failure in failures)


def _refuse(job: Job, reason: str, *, internal: bool = False) -> None:
    with contextlib.suppress(Exception):  # it may be done or cancelled by now
        job.future.set_exception(ProbeError(reason, internal=internal))
