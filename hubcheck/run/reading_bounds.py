"""What a process may take to check one module from its files."""

from __future__ import annotations

import select
import time

from hubcheck.probe.dispatch.memory import fair_share
from hubcheck.probe.options import ProbeOptions
from hubcheck.run.options import Options
from hubcheck.sandbox.processes import memory_of
from hubcheck.util.record import record

_WATCH_INTERVAL = 0.05


@record
class ReadingBounds:
    """The seconds, and the bytes of memory."""

    seconds: float
    memory: int

    @classmethod
    def of(cls, options: Options, workers: int = 1) -> ReadingBounds:
        """Return the bounds of the options, for one of so many workers at a time."""
        probe = options.probe or ProbeOptions()
        return cls(probe.timeout, probe.memory or fair_share(workers))

    def excess_of(self, pid: int, answer: int) -> str | None:
        """Wait until a process answers or ends; return why it must not go on, if so.

        Args:
            pid: the process.
            answer: the descriptor that its answer is read from.
        """
        end = time.monotonic() + self.seconds
        while not select.select([answer], [], [], _WATCH_INTERVAL)[0]:
            if time.monotonic() > end:
                raising = "--timeout, or timeout below [limits] in the configuration, raises this limit"
                return f"not checked: reading it takes more than {self.seconds:g} s; {raising}"
            if memory_of(pid) > self.memory:
                raising = "memory-mb below [limits] in the configuration raises this limit"
                return f"not checked: reading it takes more than {self.memory >> 20:,} MB of memory; {raising}"
        return None
