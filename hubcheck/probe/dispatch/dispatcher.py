"""The thread behind the pool: it gives tasks to workers and reads what they send.

What a worker sends or prints can make its own job fail, and nothing else. A server that dies is started again; the
modules that ran are tried once more, alone.
"""

from __future__ import annotations

import contextlib
import itertools
import selectors
import socket
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence

from hubcheck.probe.dispatch.connection import WorkerConnection
from hubcheck.probe.dispatch.endings import Ending, failure_at_end, interference
from hubcheck.probe.dispatch.failures import one_line
from hubcheck.probe.dispatch.jobs import Job, ProbeError, WorkerTask
from hubcheck.probe.dispatch.memory import fair_share
from hubcheck.probe.dispatch.queue import TaskQueue
from hubcheck.probe.dispatch.server_process import ServerProcess
from hubcheck.probe.dispatch.servers import Servers
from hubcheck.probe.plan.steps import to_json
from hubcheck.probe.wire import control
from hubcheck.probe.wire.framing import MAX_JSON, encode
from hubcheck.sandbox.policy import Mode

_NUMBERS = itertools.count(1)
"""Of workers: a server may serve several dispatchers, one after the other."""


class Dispatcher:
    """One thread that owns the servers and the workers' channels; no other thread touches them."""

    def __init__(self, devices: Sequence[str], jobs: int, command: Sequence[str] | None, sandbox: Mode | None) -> None:
        self._slots = jobs
        self._lock = threading.Lock()
        self._submitted: deque[Job] = deque()
        self._closing = False
        self._queue = TaskQueue(jobs)
        self._running: dict[int, WorkerConnection] = {}
        self._failed: str | None = None
        self._selector = selectors.DefaultSelector()
        self._wake, self._waker = socket.socketpair()
        self._selector.register(self._wake, selectors.EVENT_READ, None)
        self._servers = Servers(devices, command, sandbox, self._selector)
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
                for key, _ in self._selector.select(self._patience()):
                    if key.fileobj is self._wake:
                        self._wake.recv(4096)
                    elif isinstance(key.data, ServerProcess):
                        if key.data in self._servers:
                            self._receive_event(key.data)
                    elif key.data.number in self._running:
                        self._guarded(key.data, self._read)
                self._check_servers()
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
        self._servers.close(busy={connection.server for connection in self._running.values()})
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
        while self._servers.ready and self._failed is None:
            task = self._queue.next([connection.task for connection in self._running.values()])
            if task is None:
                return
            self._start(task)

    def _start(self, task: WorkerTask) -> None:
        server = self._servers[task.plan.device]
        memory = task.job.options.memory or fair_share(1 if task.tried else self._slots)
        plan = encode(to_json(task.plan))
        if len(plan) > MAX_JSON:
            self._give_up(task.job, "the names of its signatures are too long for it to be run")
            return
        try:
            connection = WorkerConnection(next(_NUMBERS), task, plan, server, memory)
        except OSError as error:
            self._queue.put_back(task)
            self._server_failed(server, f"the probe server does not answer: {error}")
            return
        self._running[connection.number] = connection
        self._selector.register(connection.channel, selectors.EVENT_READ, connection)

    def _patience(self) -> float | None:
        """Return the seconds until a server is overdue; None if no worker runs."""
        times = [connection.overdue_at for connection in self._running.values()]
        return max(0.0, min(times) - time.monotonic()) if times else None

    def _check_servers(self) -> None:
        """Give up servers that did not end a worker long after its deadline."""
        now = time.monotonic()
        for server in {c.server for c in self._running.values() if c.overdue_at <= now}:
            self._server_failed(server, "the probe server hangs")

    def _receive_event(self, server: ServerProcess) -> None:
        try:
            event = control.receive_event(server.channel)
        except control.BadPacket as error:
            self._server_failed(server, f"the probe server sent {error}")
            return
        match event:
            case None:
                self._server_failed(server, f"the probe server died: {server.ending()}")
            case control.Fatal():
                self._server_failed(server, one_line(event.reason, 2000), hopeless=True)
            case control.Ready():
                server.ready = True
            case control.Ended() if event.id in self._running:
                connection = self._running[event.id]
                if connection.server is server:
                    ending = Ending(event.cause, event.code, event.log)
                    self._guarded(connection, lambda connection: self._worker_ended(connection, ending))

    def _server_failed(self, server: ServerProcess, reason: str, *, hopeless: bool = False) -> None:
        """Start a server again, and once more what it ran; if none can be started, give up everything."""
        connections = [connection for connection in self._running.values() if connection.server is server]
        for connection in connections:
            self._forget(connection)
        if not self._servers.replace(server, hopeless=hopeless):
            self._failed = reason
        for connection in connections:
            self._try_again(connection.task, f"{reason}, twice while this module ran")
        if self._failed is not None:
            for job in self._queue.clear():
                job.fail(self._failed)

    def _guarded(self, connection: WorkerConnection, action: Callable[[WorkerConnection], object]) -> None:
        """Process something from a worker, so that an error in doing so ends its job alone."""
        try:
            action(connection)
        except Exception:
            self._forget(connection)
            with contextlib.suppress(OSError):
                control.send(connection.server.channel, {"command": "stop", "id": connection.number})
            self._give_up(connection.task.job, traceback.format_exc(), internal=True)

    def _read(self, connection: WorkerConnection) -> bool:
        arrived = connection.read()
        if connection.at_end:
            with contextlib.suppress(KeyError):
                self._selector.unregister(connection.channel)
        return arrived

    def _worker_ended(self, connection: WorkerConnection, ending: Ending) -> None:
        self._servers.a_worker_ended()
        while self._read(connection):
            pass
        self._forget(connection)
        task, collector, options = connection.task, connection.collector, connection.task.job.options
        if ending.cause == "not started":
            self._give_up(task.job, f"no worker could be started: {one_line(ending.log)}")
            return
        not_confined = (ending.cause, ending.code) == ("exit", control.EXIT_NOT_CONFINED)
        if not_confined and not collector.module_was_loaded:
            self._give_up(task.job, f"--sandbox required, the default for modules from servers: {one_line(ending.log)}")
            return
        exited_in_our_code = (ending.cause, ending.code) == ("exit", control.EXIT_INTERNAL_ERROR)
        if collector.crash is not None or (exited_in_our_code and not collector.module_was_loaded):
            self._give_up(task.job, f"hubcheck's worker failed: {collector.crash or ending.log}", internal=True)
            return
        failure = None
        if connection.violation is not None:
            failure = interference(connection.violation)
        elif not collector.done:
            failure = failure_at_end(ending, timeout=options.timeout, memory=connection.memory)
        if failure is not None:
            collector.fail(failure)
        # Exceeding a share of the memory is no fault yet, and what happens once may be the machine's.
        kinds = {limit.kind for limit in collector.limits}
        lacked_memory = "memory" in kinds and self._slots > 1 and options.memory is None
        happens_once = "killed" in kinds or (failure is not None and failure.kind == "crash")
        if not task.tried and (lacked_memory or (happens_once and ending.cause == "signal")):
            self._try_again(task)
            return
        task.collector = collector
        task.job.finish()

    def _try_again(self, task: WorkerTask, reason: str = "") -> None:
        """Run a task once more, alone; if it was, its job fails for a reason that is not the module's."""
        if self._failed is not None:
            self._give_up(task.job, self._failed)
        elif task.tried:
            self._give_up(task.job, reason)
        else:
            task.tried = True
            self._queue.add_again(task)

    def _give_up(self, job: Job, reason: str, *, internal: bool = False) -> None:
        job.fail(reason, internal=internal)
        self._queue.remove(job)

    def _forget(self, connection: WorkerConnection) -> None:
        self._running.pop(connection.number, None)
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(connection.channel)
        connection.channel.close()
