"""What every mutated module must get: a verdict within seconds, without an internal error."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType

from hubcheck.cli import show
from hubcheck.engine.reports import Report
from hubcheck.module.locate import NotAModule
from hubcheck.module.open_module import open_module
from hubcheck.probe.plan.planning import plan_steps
from hubcheck.report import html, json, text
from hubcheck.run.options import Options
from hubcheck.run.resolved import ResolvedOptions, resolve
from hubcheck.run.validate import stream

SECONDS = 10
"""Of processor time, so that a busy machine fails no module."""
_OPTIONS = Options(static=True, apart=True)
"""Files are read by this process, so that what breaks the reader is seen here, with its traceback."""


class HubcheckFailed(AssertionError):
    """hubcheck crashed or took too long; the message is the traceback or the time limit."""


class FuzzChecker:
    """Checks modules in this process."""

    def __init__(self) -> None:
        self._plan: ResolvedOptions = resolve(_OPTIONS)

    def __call__(self, path: Path, *, thorough: bool = False) -> list[str]:
        """Return the rules that fail. A thorough check also prints the module, plans its run and writes reports.

        Raises:
            HubcheckFailed: hubcheck crashed, or took more than SECONDS.
        """
        with _deadline():
            plan = replace(self._plan, options=replace(_OPTIONS, details=thorough))
            (report,) = stream([path], plan)
            for outcome in report.outcomes:
                if outcome.status == "broken":
                    raise HubcheckFailed(f"{outcome.rule}: {outcome.reason}")
            if thorough:
                with suppress(NotAModule):  # the mutation left no module
                    self._more(path, self._plan.report((report,)))
        return sorted({finding.rule for finding in report.findings})

    def _more(self, path: Path, report: Report) -> None:
        "".join(text.render(report))
        "".join(json.render(report))
        "".join(html.render(report))
        with open_module(path) as module:
            list(show.summary_lines(module))
            if module.format is not None:
                plan_steps(module, self._plan.contracts, larger_batch=5)


@contextmanager
def _deadline() -> Iterator[None]:
    def late(number: int, frame: FrameType | None) -> None:
        raise HubcheckFailed(f"no verdict within {SECONDS} seconds of processor time")

    before = signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
