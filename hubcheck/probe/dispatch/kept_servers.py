"""Servers that no pool uses: one for each device waits for the next pool of this process, which saves an import.

A server never runs a module, so what it has run before makes no difference. Workers without a sandbox could change it,
so that a server is kept for pools with the same sandbox only.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Hashable

from hubcheck.probe.dispatch.environment import environment
from hubcheck.probe.dispatch.server_process import ServerProcess, server_command
from hubcheck.sandbox.policy import Mode
from hubcheck.util.folders import temporary_folder
from hubcheck.util.resources import import_path


class KeptServers:
    """The servers that wait, until this process ends or some minutes have passed. All methods are thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, ServerProcess] = {}

    def take(self, device: str, sandbox: Mode | None) -> ServerProcess:
        """Return the server that waits if a new one would be started in the same way, else a new one.

        Raises:
            OSError: none can be started.
        """
        started_by = _key(device, sandbox)
        with self._lock:
            waiting = self._waiting.get(device)
            if waiting is not None and waiting.key == started_by:
                del self._waiting[device]
                if waiting.is_alive():
                    return waiting
                waiting.close()
        return ServerProcess(device, key=started_by)

    def keep(self, server: ServerProcess) -> None:
        """Keep a server that `take` returned and that has no workers, in place of the one that waits."""
        with self._lock:
            replaced = self._waiting.pop(server.device, None)
            if server.rest():
                self._waiting[server.device] = server
            else:
                server.close()
        if replaced is not None:
            replaced.close()

    def close(self) -> None:
        """End the servers that wait, and return when they are gone."""
        with self._lock:
            for server in self._waiting.values():
                server.close()
            self._waiting.clear()

    def leave(self) -> None:
        """Leave the servers to the process that this one was forked from."""
        self._lock = threading.Lock()
        for server in self._waiting.values():
            server.channel.close()
        self._waiting.clear()


def _key(device: str, sandbox: Mode | None) -> Hashable:
    return (sandbox, *server_command(), import_path(), str(temporary_folder()), *sorted(environment(device).items()))


KEPT_SERVERS = KeptServers()
# Finalizers run in the reverse order of their creation, so those of pools, which keep servers, before this one.
weakref.finalize(KEPT_SERVERS, KEPT_SERVERS.close)
os.register_at_fork(after_in_child=KEPT_SERVERS.leave)
