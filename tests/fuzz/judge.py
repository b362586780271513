"""What is asked of every mutated module: a verdict without an error of ours, soon."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType

from hubcheck.cli import show
from hubcheck.engine.reports import Report
from hubcheck.module.open_module import open_module
from hubcheck.probe.plan.planning import plan_steps
from hubcheck.report import html, json, text
from hubcheck.run.options import Options
from hubcheck.run.resolved import ResolvedOptions, resolve
from hubcheck.run.validate import stream

SECONDS = 10
_OPTIONS = Options(static=True)


class Broken(AssertionError):
    """hubcheck failed on a module; the message is the traceback, or names what took too long."""


class Judge:
    """Judges modules, one after the other, in this process."""

    def __init__(self) -> None:
        self._plan: ResolvedOptions = resolve(_OPTIONS)

    def __call__(self, path: Path, *, thorough: bool = False) -> list[str]:
        """The rules that the module breaks. A thorough look also shows it, plans its run, and writes reports.

        Raises:
            Broken: an error of ours, or it took more than SECONDS.
        """
        with _deadline():
            plan = replace(self._plan, options=replace(_OPTIONS, details=thorough))
            (report,) = stream([path], plan)
            for outcome in report.outcomes:
                if outcome.status == "broken":
                    raise Broken(f"{outcome.rule}: {outcome.reason}")
            if thorough:
                self._more(path, self._plan.report((report,)))
        return sorted({finding.rule for finding in report.findings})

    def _more(self, path: Path, report: Report) -> None:
        "".join(text.render(report))
        "".join(json.render(report))
        "".join(html.render(report))
        with open_module(path) as module:
            list(show._lines(module))
            if module.format is not None:
                plan_steps(module, self._plan.contracts, larger_batch=5)


@contextmanager
def _deadline() -> Iterator[None]:
    def late(number: int, frame: FrameType | None) -> None:
        raise Broken(f"no verdict within {SECONDS} seconds")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
