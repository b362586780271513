"""The probe servers of a dispatcher: one for each device, started again if it dies."""

from __future__ import annotations

import selectors
from collections.abc import Collection, Sequence

from hubcheck.probe.dispatch.kept_servers import KEPT_SERVERS
from hubcheck.probe.dispatch.server_process import ServerProcess
from hubcheck.sandbox.policy import Mode

_MAX_RESTARTS = 3
_MAX_RESTARTS_AT_START = 1
"""How often in a row a server is started again while no worker ends: then this machine cannot run modules."""


class Servers:
    """Takes servers that were kept, or starts them, and registers their channels with a selector.

    Raises:
        OSError: one cannot be started.
    """

    def __init__(
        self,
        devices: Sequence[str],
        command: Sequence[str] | None,
        sandbox: Mode | None,
        selector: selectors.BaseSelector,
    ) -> None:
        self._command, self._sandbox, self._selector = command, sandbox, selector
        self._restarts = 0
        self._by_device: dict[str, ServerProcess] = {}
        try:
            for device in devices:
                self._start(device)
        except BaseException:
            self.close()
            raise

    def __getitem__(self, device: str) -> ServerProcess:
        return self._by_device[device]

    def __contains__(self, server: object) -> bool:
        return server in self._by_device.values()

    @property
    def ready(self) -> bool:
        """Whether all of them have imported TensorFlow."""
        return all(server.ready for server in self._by_device.values())

    def a_worker_ended(self) -> None:
        """Take it as a sign that the servers work."""
        self._restarts = 0

    def replace(self, server: ServerProcess, *, hopeless: bool) -> bool:
        """End a server that failed and start another one; return whether there is one."""
        self._selector.unregister(server.channel)
        server.close()
        del self._by_device[server.device]
        self._restarts += 1
        most = _MAX_RESTARTS if server.ready else _MAX_RESTARTS_AT_START
        if hopeless or self._restarts > most:
            return False
        try:
            self._start(server.device)
        except OSError:
            return False
        return True

    def close(self, busy: Collection[ServerProcess] = ()) -> None:
        """Keep the servers for the next pool; end those that are busy, with their workers, and those of tests."""
        for server in self._by_device.values():
            self._selector.unregister(server.channel)
            if server.key is not None and server not in busy:
                KEPT_SERVERS.keep(server)
            else:
                server.close()

    def _start(self, device: str) -> None:
        if self._command is not None:
            server = ServerProcess(device, self._command)
        else:
            server = KEPT_SERVERS.take(device, self._sandbox)
        self._selector.register(server.channel, selectors.EVENT_READ, server)
        self._by_device[device] = server
