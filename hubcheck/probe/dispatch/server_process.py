"""Start a probe server and make sure that it ends."""

from __future__ import annotations

import contextlib
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Hashable, Sequence
from pathlib import Path

from hubcheck.probe.dispatch.endings import signal_name
from hubcheck.probe.dispatch.environment import environment
from hubcheck.probe.dispatch.failures import one_line
from hubcheck.probe.wire import control
from hubcheck.util.folders import remove_folder, temporary_folder
from hubcheck.util.resources import import_path

_SHUTDOWN_SECONDS = 10.0
_REST_SECONDS = 300.0
_LAST_SECONDS = 1.0
_MAX_LAST_WORDS = 2_000
_LOG_NOISE = re.compile(r"[EWI]\d{4} |\d{4}-\d\d-\d\d |WARNING: |To enable the following instructions")
"""Lines that TensorFlow prints at its import whatever happens."""

_SERVER = Path(__file__).resolve().parents[1] / "worker" / "server.py"


def server_command() -> list[str]:
    """Return the command that starts a server, without its arguments."""
    # -P: do not import a file called tensorflow.py in the current folder.
    return [sys.executable, "-P", str(_SERVER)]


class ServerProcess:
    """A server process, the channel to it, and the folder in which its workers may write.

    `key` says how it was started, if it may be kept when its pool ends.

    The server runs in its own session, so that Ctrl-C reaches only hubcheck, which then ends the server. If hubcheck
    is killed, the channel closes, and the server ends its workers and itself.
    """

    def __init__(self, device: str, command: Sequence[str] | None = None, *, key: Hashable = None) -> None:
        self.device, self.key = device, key
        self.ready = False
        self.scratch = Path(tempfile.mkdtemp(prefix="hubcheck-", dir=temporary_folder()))
        self._log = self.scratch / "server.log"
        self.channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        arguments = [*(command or server_command()), str(theirs.fileno()), str(self.scratch), import_path()]
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
            remove_folder(self.scratch)
            raise
        finally:
            theirs.close()

    def ending(self) -> str:
        """Return how the server, which has closed its channel, ended, and the end of what it printed, in one line."""
        try:
            code = self._process.wait(_LAST_SECONDS)
        except subprocess.TimeoutExpired:
            return "it closed its channel"
        how = f"exit status {code}" if code >= 0 else f"killed with signal {-code} ({signal_name(-code) or 'unknown'})"
        how += ", by the system for lack of memory or by somebody else" if code == -signal.SIGKILL else ""
        with contextlib.suppress(OSError), self._log.open("rb") as log:
            log.seek(max(0, self._log.stat().st_size - _MAX_LAST_WORDS))
            lines = log.read(_MAX_LAST_WORDS).decode("utf-8", "replace").splitlines()
            printed = one_line(" ".join(line for line in lines if not _LOG_NOISE.match(line)))
            return f"{how}: {printed}" if printed else how
        return how

    def is_alive(self) -> bool:
        """Return whether the server has not closed its end of the channel."""
        ended = select.poll()
        ended.register(self.channel, 0)
        return not ended.poll(0)

    def rest(self) -> bool:
        """Let the server end by itself if it gets nothing to do for some minutes; return whether it is told so."""
        try:
            control.send(self.channel, {"command": "rest", "seconds": _REST_SECONDS})
        except OSError:
            return False
        return True

    def close(self) -> None:
        """End the server and its workers, remove its folder, and return when they are gone."""
        with contextlib.suppress(OSError):  # processes that were forked from this one may hold the channel, too
            self.channel.shutdown(socket.SHUT_RDWR)
        self.channel.close()
        if not self.ready:
            self._process.kill()
        try:
            self._process.wait(_SHUTDOWN_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()  # the kernel kills its workers with it
            self._process.wait()
        remove_folder(self.scratch)
