"""Start a server, and make sure that it ends."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hubcheck.probe.dispatch.environment import environment

_PATIENCE = 10.0


class ServerProcess:
    """A server process, the channel to it and the folder in which its workers may write.

    It runs in a session of its own: Ctrl-C reaches hubcheck alone, which then ends it. When hubcheck itself is
    killed, the channel closes and the server ends its workers and itself.
    """

    def __init__(self, device: str, command: Sequence[str] | None = None) -> None:
        self.device = device
        self.ready = False
        self.scratch = Path(tempfile.mkdtemp(prefix="hubcheck-"))
        self._log = self.scratch / "server.log"
        self.channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        file = str(Path(__file__).resolve().parents[1] / "worker" / "server.py")
        # -P: a file called tensorflow.py in the current folder is not TensorFlow.
        arguments = list(command) if command is not None else [sys.executable, "-P", file]
        here = str(Path(__file__).resolve().parents[3])
        arguments += [str(theirs.fileno()), str(self.scratch), os.pathsep.join([here, *filter(None, sys.path)])]
        try:
            with self._log.open("wb") as log:
                self._process = subprocess.Popen(
                    arguments,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=environment(device),
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                )
        except BaseException:
            shutil.rmtree(self.scratch, ignore_errors=True)
            raise
        finally:
            theirs.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def last_words(self) -> str:
        """The end of what the server printed."""
        with contextlib.suppress(OSError):
            return self._log.read_text(encoding="utf-8", errors="replace")[-2000:]
        return ""

    def close(self) -> None:
        """End the server, its workers and its folder; returns when they are gone."""
        self.channel.close()
        if not self.ready:
            self._process.kill()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()  # its workers die with it: they asked the kernel for that
            self._process.wait()
        shutil.rmtree(self.scratch, ignore_errors=True)
