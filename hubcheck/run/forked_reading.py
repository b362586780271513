"""Check one module from its files in a fork of this process, where what a new interpreter would import is there."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from hubcheck.run.reading_bounds import ReadingBounds
from hubcheck.run.resolved import ResolvedOptions, resolve
from hubcheck.sandbox.processes import PR_SET_PDEATHSIG, prctl
from hubcheck.util.errors import ModuleUnavailable
from hubcheck.util.locks import remove_all_abandoned


def can_fork() -> bool:
    """Return whether a fork is a whole copy of this process: of its threads, only the one that forks is copied."""
    try:
        return sys.platform == "linux" and len([*Path("/proc/self/task").iterdir()]) == 1
    except OSError:
        return False


def report_by_fork(source: Path, plan: ResolvedOptions, bounds: ReadingBounds) -> bytes | None:
    """Return a module's report as a line of JSON, or None if the fork died.

    Raises:
        ModuleUnavailable: the fork exceeds its bounds.
    """
    reader, writer = os.pipe()
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _answer(source, plan, writer, parent)
    os.close(writer)
    line = b""
    try:
        with os.fdopen(reader, "rb") as answer:
            if (excess := bounds.excess_of(child, reader)) is not None:
                raise ModuleUnavailable(excess)
            line = answer.read()
    finally:
        if not line:
            os.kill(child, signal.SIGKILL)
        if os.waitpid(child, 0)[1] != 0:
            remove_all_abandoned()
    return line if line.endswith(b"\n") else None


def _answer(source: Path, plan: ResolvedOptions, writer: int, parent: int) -> NoReturn:
    """Write the report and end; end early, without files left, on Ctrl-C or when the other process is gone."""
    from hubcheck.run.checker import Checker
    from hubcheck.run.report_lines import report_text

    code = 1
    try:
        with suppress(KeyboardInterrupt, BrokenPipeError):
            signal.signal(signal.SIGINT, signal.default_int_handler)
            prctl(PR_SET_PDEATHSIG, signal.SIGINT)
            os.dup2(2, 1)
            if os.getppid() == parent:
                if not plan.options.static:
                    plan = resolve(replace(plan.options, static=True))
                with Checker(plan) as checker, os.fdopen(writer, "wb") as answer:
                    (report,) = checker.reports([source], plan)
                    answer.write(report_text(report) + b"\n")
                code = 0
    finally:
        os._exit(code)
