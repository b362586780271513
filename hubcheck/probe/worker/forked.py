"""What a forked worker does first: leave the server behind, receive its plan and enter the sandbox."""

from __future__ import annotations

import os
import resource
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from hubcheck.probe.plan.steps import ProbePlan, from_json
from hubcheck.probe.wire.control import EXIT_INTERNAL_ERROR, EXIT_NOT_CONFINED
from hubcheck.probe.wire.framing import Decoder, encode
from hubcheck.probe.worker.permissions import changed_file, policy_for
from hubcheck.sandbox.enforce import enforce
from hubcheck.sandbox.policy import SandboxUnavailable
from hubcheck.sandbox.processes import PR_SET_PDEATHSIG, prctl

Work = Callable[[socket.socket, ProbePlan], None]
"""Runs a plan and sends what it observes."""

_CHANNEL = 3


def run_worker(
    work: Work, message: dict[str, Any], *, channel: int, log: int, scratch: Path, server_pid: int
) -> NoReturn:
    """Run one plan in this process, just forked from the server, and end the process.

    Args:
        work: runs the plan.
        message: the server's "start" message, with the limits of the worker.
        channel: descriptor of the socket to hubcheck.
        log: descriptor for everything that the worker prints.
        scratch: the folder in which it may write.
        server_pid: the parent; the worker ends with it.
    """
    status = EXIT_INTERNAL_ERROR
    try:
        signal.set_wakeup_fd(-1)
        _detach(channel, log, server_pid)
        connection = socket.socket(fileno=_CHANNEL)
        plan = _receive_plan(connection)
        if plan is not None:
            for name in ("TMPDIR", "HOME", "CUDA_CACHE_PATH"):
                os.environ[name] = str(scratch)
            os.chdir(scratch)
            limits = {"mode": message["sandbox"], "timeout": message["timeout"], "memory": message["memory"]}
            protections = enforce(policy_for(plan.path, plan.linked.values(), scratch, plan.device, **limits))
            enforced = ["deadline", "memory", *protections.enforced]  # the server enforces the first two
            connection.sendall(encode({"kind": "sandbox", "enforced": enforced, "missing": protections.missing}))
            changed = changed_file(plan.path, plan.linked)
            if changed is None:
                work(connection, plan)
            else:
                reason = f"{changed} changed while the module was checked; check again when nothing writes to it"
                connection.sendall(encode({"kind": "device", "absent": reason}) + encode({"kind": "done"}))
            status = 0
    except SandboxUnavailable as error:
        print(error, file=sys.stderr)
        status = EXIT_NOT_CONFINED
    except BaseException:  # the worker must not return into the server's code
        import traceback

        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def _detach(channel: int, log: int, server_pid: int) -> None:
    """Start a session, die with the server, and keep no descriptor but the log (as 1 and 2) and the channel (as 3)."""
    os.setsid()
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != server_pid:
        os._exit(EXIT_INTERNAL_ERROR)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.dup2(channel, _CHANNEL)
    os.closerange(_CHANNEL + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def _receive_plan(connection: socket.socket) -> ProbePlan | None:
    decoder = Decoder()
    while data := connection.recv(1 << 16):
        for message, _ in decoder.feed(data):
            return from_json(message)
    return None
