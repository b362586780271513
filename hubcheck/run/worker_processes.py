"""Processes that check modules, one after the other. One that dies takes its module with it: that is checked once
more by a new one, and then told."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hubcheck.module.uri import place
from hubcheck.run.report_codec import report_text
from hubcheck.util.errors import ModuleUnavailable

if TYPE_CHECKING:
    from hubcheck.run.options import Options

_NOT_HERE = b"not here\n"


class WorkerDied(RuntimeError):
    """The process that checked a module died, twice."""


class Helpers:
    """A process for each thread that asks. All methods may be called from any thread.

    Args:
        options: what to check, and how. What does not count is judged by whoever asks.
        folder: the folder that relative paths start from.
    """

    def __init__(self, options: Options, folder: Path) -> None:
        options = replace(options, jobs=1, cache=None, cluster=None, baseline=None, update_baseline=False)
        self._start = pickle.dumps((options, str(folder)))
        self._own = threading.local()
        self._lock = threading.Lock()
        self._all: list[subprocess.Popen[bytes]] = []
        self._closed = False

    def check(self, path: str) -> bytes:
        """The report of a module as a line of JSON, made by this thread's process.

        Raises:
            WorkerDied: there is none.
            ModuleUnavailable: there is no module for this machine to see.
        """
        for _ in range(2):
            helper = self._helper()
            try:
                assert helper.stdin is not None
                assert helper.stdout is not None
                helper.stdin.write(os.fsencode(path).hex().encode() + b"\n")
                helper.stdin.flush()
                line = helper.stdout.readline()
            except OSError:
                line = b""
            if line == _NOT_HERE:
                raise ModuleUnavailable(
                    f"not checked: {os.uname().nodename} does not see the folder; share it, or give a URI"
                )
            if line.endswith(b"\n"):
                return line
            self._own.helper = None
            helper.kill()
            helper.wait()
        raise WorkerDied(f"the process that checked it died twice, the last time with exit code {helper.returncode}")

    def _helper(self) -> subprocess.Popen[bytes]:
        helper: subprocess.Popen[bytes] | None = getattr(self._own, "helper", None)
        if helper is None:
            with self._lock:
                if self._closed:
                    raise WorkerDied("the run is over")
                command = [sys.executable, "-c", "from hubcheck.run.worker_processes import work; work()"]
                environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
                helper = subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, start_new_session=True
                )
                self._all = [one for one in self._all if one.poll() is None] + [helper]
            assert helper.stdin is not None
            helper.stdin.write(b"%d\n" % len(self._start) + self._start)
            self._own.helper = helper
        return helper

    def close(self) -> None:
        """End all processes."""
        with self._lock:
            self._closed = True
            for helper in self._all:
                helper.kill()
        for helper in self._all:
            helper.wait()


def work() -> None:
    """Such a process: paths come in, reports go out, until the other side is gone."""
    from hubcheck.run.checker import Checker
    from hubcheck.run.resolved import plan

    source, out = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints must not stand between reports
    size = source.readline()
    if not size.endswith(b"\n"):
        return  # whoever started this process was killed before it said what to do
    options, folder = pickle.loads(source.read(int(size)))  # from the process that started this one
    if Path(folder).is_dir():
        os.chdir(folder)
    ready = plan(options)
    # Whoever asked may be killed while a module is checked; nobody is left to tell then.
    with suppress(BrokenPipeError), Checker(options) as checker:
        for line in source:
            path = place(os.fsdecode(bytes.fromhex(line.decode())))
            if isinstance(path, Path) and not path.exists():
                out.write(_NOT_HERE)
            else:
                (report,) = checker.reports([path], options, ready)
                out.write(report_text(report) + b"\n")
            out.flush()
