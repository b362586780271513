"""hubcheck's end of the channel to one worker."""

from __future__ import annotations

import contextlib
import socket

from hubcheck.probe.dispatch.collector import Collector
from hubcheck.probe.dispatch.jobs import WorkerTask
from hubcheck.probe.dispatch.server_process import ServerProcess
from hubcheck.probe.wire import control
from hubcheck.probe.wire.framing import BadFrame, Decoder

_SEND_TIMEOUT = 30.0


class WorkerConnection:
    """Starts a worker for a task and collects the frames that it sends.

    After a frame that violates the protocol (`violated`), the worker is stopped and the rest is discarded.

    Raises:
        OSError: the server does not answer.
    """

    def __init__(self, number: int, task: WorkerTask, plan: bytes, server: ServerProcess, memory: int) -> None:
        self.number, self.task, self.server, self.memory = number, task, server, memory
        self.collector = Collector(task.plan)
        self.violated = self.at_end = False
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
        """Read what has arrived; return whether that was anything. `at_end` is set at the end of the stream."""
        try:
            data = self.channel.recv(1 << 20)
        except BlockingIOError:
            return False
        except ConnectionResetError:
            data = b""
        self.at_end = not data
        if data and not self.violated:
            try:
                for message, array in self._decoder.feed(data):
                    self.collector.take(message, array)
            except BadFrame:
                self.violated = True
                with contextlib.suppress(OSError):  # the server is gone, and the worker with it
                    control.send(self.server.channel, {"command": "stop", "id": self.number})
        return bool(data)
