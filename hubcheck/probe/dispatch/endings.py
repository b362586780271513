"""Why a worker ended before its plan did: the machine's limits, something outside, or the module's code."""

from __future__ import annotations

import re
import signal
from typing import NamedTuple

from hubcheck.probe.dispatch.failures import one_line
from hubcheck.probe.observations import Failure

_MAX_LINE = 1_000
_FATAL = re.compile(r"F\d{4} |terminate called|Fatal Python error:")
_FATAL_WITHIN = ("Check failed:", "what():")
_LOG_PREFIX = re.compile(r"[FEWI]\d{4,8} [\d:.]{1,40} {1,8}\d{1,20} ([\w./-]{1,200}:\d{1,9})\] ")

_CRASHES = ("SIGABRT", "SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGTRAP", "SIGSYS")
"""Signals that the code of a process causes. Others, such as SIGKILL, come from outside, or from the kernel."""


class Ending(NamedTuple):
    """How a worker ended, as its server reports it.

    Attributes:
        cause: why the server ended it ("deadline", "memory", "disk", "threads"); else "signal" or "exit".
        code: its exit status, or minus the number of the signal.
        log: the end of what it printed.
    """

    cause: str
    code: int
    log: str


def failure_at_end(ending: Ending, *, timeout: float, memory: int) -> Failure:
    """Return why a worker ended before its plan did.

    Args:
        ending: how it ended.
        timeout: its deadline in seconds.
        memory: its memory limit in bytes.
    """
    size = f"{memory / 2**30:.1f} GiB" if memory >= 1 << 30 else f"{memory >> 20} MiB"
    limit = f"its limit of {size}; raise it with memory-mb in the configuration"
    match ending.cause:
        case "deadline":
            stopped = f"the worker was stopped at its deadline of {timeout:g} s"
            return Failure("deadline", f"{stopped}; raise it with --timeout")
        case "memory":
            return Failure("memory", f"the worker ran out of memory: it was stopped at {limit}")
        case "disk":
            return Failure("error", "the worker was stopped because it filled its scratch folder")
        case "threads":
            return Failure("error", "the worker was stopped because it started thousands of threads")
        case "signal" if "bad_alloc" in ending.log:
            return Failure("memory", f"the worker ran out of memory at {limit}")
        case "signal":
            name = signal_name(-ending.code)
            number = f"signal {-ending.code}" + (f" ({name})" if name else "")
            if name in _CRASHES:
                return Failure("crash", f"the worker crashed with {number}{_message(ending.log)}")
            killed = f"the worker was killed with {number}"
            if name == "SIGXCPU":
                return Failure("deadline", f"{killed}: it used up its CPU time; raise it with --timeout")
            return Failure("killed", f"{killed}, by the system for lack of memory or by somebody else; check it again")
        case _:
            return Failure("crash", f"the module ended its worker with exit status {ending.code}{_message(ending.log)}")


def interference(reason: str) -> Failure:
    """Return the failure of a module whose worker sent what the worker's own code never sends."""
    return Failure("protocol", f"the module's code interfered with its own check: its worker sent {reason}")


def _message(log: str) -> str:
    """Return the last fatal message in a log, to be appended to a sentence."""
    lines = [line[:_MAX_LINE] for line in log.splitlines()]
    fatal = [line for line in lines if _FATAL.match(line) or any(part in line for part in _FATAL_WITHIN)]
    if not fatal:
        return ""
    prefix = _LOG_PREFIX.match(fatal[-1])
    return f": {one_line(fatal[-1][prefix.end() :] if prefix else fatal[-1])}"


def signal_name(number: int) -> str:
    """Return the name of a signal, "" if it has none."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return ""
