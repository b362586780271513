"""The probe server: import TensorFlow once, then fork a worker for each request.

hubcheck starts it as `python server.py CHANNEL SCRATCH PATH` instead of through multiprocessing, which would run the
caller's script again. The server must not start TensorFlow's runtime, because its threads would not survive a fork.
The server never runs a module, so hubcheck trusts it; it does not trust the workers.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if __name__ == "__main__":  # run as a file: this interpreter need not find hubcheck
    sys.path.extend(entry for entry in sys.argv[3].split(os.pathsep) if entry)

from hubcheck.probe.wire import control
from hubcheck.probe.worker.forked import Work
from hubcheck.probe.worker.supervisor import Supervisor
from hubcheck.sandbox.enforce import try_layers
from hubcheck.sandbox.processes import PR_SET_CHILD_SUBREAPER, kill_children, prctl
from hubcheck.util.folders import remove_folder
from hubcheck.util.locks import remove_all_abandoned
from hubcheck.util.walk import gc_paused


def main(arguments: list[str], work: Work | None = None) -> None:
    """Serve until hubcheck closes the channel.

    Args:
        arguments: the channel's descriptor and the scratch folder.
        work: what workers do, by default `runner.work`; tests pass their own.
    """
    channel = socket.socket(fileno=int(arguments[0]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    scratch = Path(arguments[1])
    try_layers()
    kill_children(set())  # what the trial of a layer leaves
    if work is None:
        try:
            with _exiting_with(channel, scratch), _imported_later("keras.src.optimizers"), gc_paused():
                import tensorflow  # noqa: F401
        except BaseException as error:
            control.send(channel, {"event": "fatal", "reason": f"TensorFlow cannot be imported: {error}"[:2000]})
            _clean_up(scratch)
            return
        # TensorFlow's loader imports tf_keras if it is installed, and then loads models that do not load without it.
        sys.modules["tf_keras"] = None  # type: ignore[assignment]
        from hubcheck.probe.worker.runner import work as run_plan

        work = run_plan
    gc.collect()
    gc.freeze()  # a garbage collection in a worker would copy every page of the server's objects
    # Graphs are many objects that live as long as the worker.
    gc.set_threshold(50_000)
    Supervisor(channel, scratch, work).serve()
    _clean_up(scratch)


def _clean_up(scratch: Path) -> None:
    """Remove the server's folder, and what hubcheck has left behind if it was killed."""
    remove_folder(scratch)
    remove_all_abandoned(scratch.parent)


@contextmanager
def _imported_later(package: str) -> Iterator[None]:
    """Import without a package that is used if it is installed.

    Without Keras, TensorFlow's import takes a fifth less; its loader imports it for the modules that hold an optimizer.
    """
    sys.modules[package] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        sys.modules.pop(package, None)


@contextmanager
def _exiting_with(channel: socket.socket, scratch: Path) -> Iterator[None]:
    """Exit as soon as hubcheck closes the channel, during the seconds that TensorFlow's import takes.

    The thread that waits for it ends with the block, because a process that forks must not have threads.
    """
    ours, theirs = socket.socketpair()

    def wait() -> None:
        poll = select.poll()
        poll.register(channel, select.POLLHUP)
        poll.register(theirs, select.POLLIN)
        if channel.fileno() in (descriptor for descriptor, _ in poll.poll()):
            _clean_up(scratch)
            os._exit(0)

    thread = threading.Thread(target=wait)
    thread.start()
    try:
        yield
    finally:
        ours.close()
        thread.join()
        theirs.close()


if __name__ == "__main__":
    main(sys.argv[1:])
