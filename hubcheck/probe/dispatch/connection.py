"""hubcheck's end of the channel to one worker."""

from __future__ import annotations

import contextlib
import socket
import time

from hubcheck.probe.dispatch.collector import Collector
from hubcheck.probe.dispatch.jobs import WorkerTask
from hubcheck.probe.dispatch.server_process import ServerProcess
from hubcheck.probe.wire import control
from hubcheck.probe.wire.framing import BadFrame, Decoder

_SEND_TIMEOUT = 30.0
_PATIENCE = 60.0
"""Seconds after a worker's deadline in which its server must have ended it and said so."""


class WorkerConnection:
    """Starts a worker for a task and collects the frames that it sends.

    After a frame that violates the protocol, `violation` says what it was; the worker is stopped, and nothing more is
    read. `overdue_at` is when its server must have reported its end.

    Raises:
        OSError: the server does not answer.
    """

    def __init__(self, number: int, task: WorkerTask, plan: bytes, server: ServerProcess, memory: int) -> None:
        self.number, self.task, self.server, self.memory = number, task, server, memory
        self.collector = Collector(task.plan)
        self.violation: str | None = None
        self.at_end = False
        self.overdue_at = time.monotonic() + task.job.options.timeout + _PATIENCE
        self._decoder = Decoder()
        message = {"command": "start", "id": number, "timeout": task.job.options.timeout, "memory": memory}
        self.channel, theirs = socket.socketpair()
        try:
            control.send(server.channel, {**message, "sandbox": task.job.sandbox}, theirs.fileno())
            self.channel.settimeout(_SEND_TIMEOUT)
            self.channel.sendall(plan)
            self.channel.setblocking(False)
        except OSError:
            self.channel.close()
            raise
        finally:
            theirs.close()

    def read(self) -> bool:
        """Read what has arrived; return whether that was anything. `at_end` is set when nothing more is to be read."""
        if self.at_end:
            return False
        try:
            data = self.channel.recv(1 << 20)
        except BlockingIOError:
            return False
        except ConnectionResetError:
            data = b""
        self.at_end = not data
        try:
            for message, array in self._decoder.feed(data):
                self.collector.take(message, array)
        except BadFrame as error:
            self.violation, self.at_end = str(error), True
            with contextlib.suppress(OSError):  # the server is gone, and the worker with it
                control.send(self.server.channel, {"command": "stop", "id": self.number})
        return bool(data)
