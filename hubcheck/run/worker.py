"""The main program of a worker process of `processes.py`: it checks one module after the other."""

from __future__ import annotations

import os
import pickle
import select
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path

from hubcheck.module.uri import parse_source
from hubcheck.run.bounded_reading import BoundedReading
from hubcheck.run.checker import Checker
from hubcheck.run.processes import NOT_VISIBLE
from hubcheck.run.report_lines import report_text
from hubcheck.run.resolved import resolve

_MAX_IDLE = 30
"""Seconds without a request after which a worker ends: the run may be over without anybody having said so."""


def work() -> None:
    """Read paths from standard input and write reports to standard output, until that is closed.

    When standard input is closed while a module is checked, the check ends early and removes its files.
    """
    requests, out = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # so that nothing else is printed between reports
    size = requests.readline()
    if not size.endswith(b"\n"):
        return  # the process that started this one was killed before it sent the options
    options, folder = pickle.loads(requests.read(int(size)))  # from the process that started this one
    if Path(folder).is_dir():
        os.chdir(folder)
    plan = resolve(options)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    with suppress(BrokenPipeError, KeyboardInterrupt), Checker(plan) as checker:
        threading.Thread(target=_interrupt_at_the_end, args=[requests.fileno()], daemon=True).start()
        signal.alarm(_MAX_IDLE)
        for line in requests:
            signal.alarm(0)
            source = parse_source(os.fsdecode(bytes.fromhex(line.decode())))
            if isinstance(source, Path) and not source.exists():
                out.write(NOT_VISIBLE)
            else:
                (report,) = checker.reports([source], plan, read_apart=BoundedReading(plan))
                out.write(report_text(report) + b"\n")
            out.flush()
            signal.alarm(_MAX_IDLE)


def _interrupt_at_the_end(requests: int) -> None:
    """Interrupt the main thread when the other end of a pipe is closed."""
    ended = select.poll()
    ended.register(requests, 0)
    ended.poll()
    os.kill(os.getpid(), signal.SIGINT)


if __name__ == "__main__":
    work()
