"""The thread behind the pool: it gives tasks to workers and reads what they send."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections import deque
from collections.abc import Sequence
from typing import Any

from hubcheck.probe.dispatch.connection import WorkerConnection
from hubcheck.probe.dispatch.failures import failure_at_end
from hubcheck.probe.dispatch.jobs import Job, ProbeError, WorkerTask
from hubcheck.probe.dispatch.memory import fair_share
from hubcheck.probe.dispatch.queue import TaskQueue
from hubcheck.probe.dispatch.server_process import ServerProcess
from hubcheck.probe.plan.steps import to_json
from hubcheck.probe.wire import control
from hubcheck.probe.wire.framing import MAX_JSON, encode


class Dispatcher:
    """One thread that owns the servers and the workers' channels; no other thread touches them."""

    def __init__(self, devices: Sequence[str], jobs: int, command: Sequence[str] | None) -> None:
        self._slots = jobs
        self._lock = threading.Lock()
        self._submitted: deque[Job] = deque()
        self._closing = False
        self._queue = TaskQueue(jobs)
        self._running: dict[int, WorkerConnection] = {}
        self._started = 0
        self._failed: str | None = None
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

    def submit(self, job: Job) -> None:
        """Queue a job. Thread-safe.

        Raises:
            ProbeError: the pool is closed.
        """
        with self._lock:
            if self._closing:
                raise ProbeError("the pool is closed")
            self._submitted.append(job)
            self._waker.send(b"!")

    def close(self) -> None:
        """End all workers and servers and wait until they have ended. Thread-safe; may be called twice."""
        with self._lock:
            if not self._closing:
                self._closing = True
                self._waker.send(b"!")
        if threading.current_thread() is not self._thread:  # garbage collection may close the pool in that thread
            self._thread.join()

    def _run(self) -> None:
        try:
            while not self._closing:
                self._take_jobs()
                self._start_tasks()
                for key, _ in self._selector.select():
                    if key.fileobj is self._wake:
                        self._wake.recv(4096)
                    elif isinstance(key.data, ServerProcess):
                        self._receive_event(key.data)
                    elif key.data.number in self._running:
                        self._read(key.data)
        except Exception as error:  # an error in hubcheck; without this, callers would wait forever
            self._failed = f"the dispatcher failed: {type(error).__name__}: {error}"
            raise
        finally:
            self._end()

    def _end(self) -> None:
        with self._lock:
            self._closing = True
            jobs = [*self._submitted, *self._queue.clear()]
        jobs += [connection.task.job for connection in self._running.values()]
        for connection in self._running.values():
            connection.channel.close()
        for server in self._servers.values():
            server.close()
        for job in jobs:
            if not job.future.cancel():
                job.fail(self._failed or "the pool was closed before the module had run")
        self._selector.close()
        self._wake.close()

    def _take_jobs(self) -> None:
        with self._lock:
            taken = list(self._submitted)
            self._submitted.clear()
        for job in taken:
            if self._failed is not None:
                job.fail(self._failed)
            elif job.devices:
                self._queue.add(job)
            else:
                job.finish()

    def _start_tasks(self) -> None:
        """Start what there is room for, once all servers are ready; jobs that gather until then are not divided."""
        if all(server.ready for server in self._servers.values()):
            while task := self._queue.next([connection.task for connection in self._running.values()]):
                self._start(task)

    def _start(self, task: WorkerTask) -> None:
        server = self._servers[task.plan.device]
        memory = task.job.options.memory or fair_share(1 if task.exclusive else self._slots)
        plan = encode(to_json(task.plan))
        if len(plan) > MAX_JSON:
            self._give_up(task.job, "the names of its signatures are too long for it to be run")
            return
        self._started += 1
        try:
            connection = WorkerConnection(self._started, task, plan, server, memory)
        except OSError as error:
            self._give_up(task.job, f"the probe server does not answer: {error}")
            return
        self._running[connection.number] = connection
        self._selector.register(connection.channel, selectors.EVENT_READ, connection)

    def _receive_event(self, server: ServerProcess) -> None:
        packet = control.receive(server.channel)
        if packet is None:
            self._server_failed(server, f"the probe server died: {server.log_tail() or 'it printed no message'}")
            return
        message = packet[0]
        if message["event"] == "fatal":
            self._server_failed(server, message["reason"])
        elif message["event"] == "ready":
            server.ready = True
        elif message["id"] in self._running:
            self._worker_ended(self._running[message["id"]], message)

    def _server_failed(self, server: ServerProcess, reason: str) -> None:
        self._failed = reason
        self._selector.unregister(server.channel)
        for connection in list(self._running.values()):
            if connection.server is server:
                self._forget(connection)
                connection.task.job.fail(reason)
        for job in self._queue.clear():
            job.fail(reason)

    def _read(self, connection: WorkerConnection) -> bool:
        arrived = connection.read()
        if connection.at_end:
            with contextlib.suppress(KeyError):
                self._selector.unregister(connection.channel)
        return arrived

    def _worker_ended(self, connection: WorkerConnection, message: dict[str, Any]) -> None:
        while self._read(connection):
            pass
        self._forget(connection)
        task, collector, options = connection.task, connection.collector, connection.task.job.options
        cause, code, log = message["cause"], message["code"], message["log"]
        if connection.violated:
            cause = "protocol"
        internal = cause == "not started" or (cause == "exit" and code == control.EXIT_INTERNAL_ERROR)
        if internal or collector.crash is not None:
            self._give_up(task.job, f"hubcheck's worker failed: {collector.crash or log}", internal=True)
            return
        if connection.violated or not collector.done:
            collector.fail(failure_at_end(cause, code, log, timeout=options.timeout, memory=connection.memory))
        shared = self._slots > 1 and not task.exclusive and options.memory is None
        if shared and collector.ran_out_of_memory:
            self._queue.add_again(task)  # with all the memory: a module that exceeds a share has no fault yet
            return
        task.collector = collector
        task.job.finish()

    def _give_up(self, job: Job, reason: str, *, internal: bool = False) -> None:
        job.fail(reason, internal=internal)
        self._queue.remove(job)

    def _forget(self, connection: WorkerConnection) -> None:
        self._running.pop(connection.number, None)
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(connection.channel)
        connection.channel.close()
