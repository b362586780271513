"""The progress of a run, and what shows it in a notebook: a bar below the cell, drawn again as modules are checked."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from hubcheck.engine.module_report import ModuleReport
from hubcheck.util.record import record
from hubcheck.util.text import plural

_INTERVAL = 0.1
"""Seconds between two drawings."""


@record
class Progress:
    """How far a call of `validate` is.

    Attributes:
        done: how many modules are checked.
        total: how many modules there are.
        module: the report of the last one that was checked; None before the first.
    """

    done: int
    total: int
    module: ModuleReport | None


def notebook_progress() -> Callable[[Progress], None] | None:
    """Return what shows the progress of a run on several modules; None if this is not a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return _Bar() if hasattr(shell, "kernel") else None


class _Bar:
    def __init__(self) -> None:
        self._handle: Any = None
        self._begin = self._drawn = time.monotonic()
        self._failed = 0

    def __call__(self, progress: Progress) -> None:
        self._failed += progress.module is not None and progress.module.verdict == "violates"
        now, is_last = time.monotonic(), progress.done == progress.total
        if progress.total < 2 or (self._handle is not None and not is_last and now - self._drawn < _INTERVAL):
            return
        self._drawn = now
        from IPython.display import HTML, display

        text = (
            f"{progress.done} of {plural(progress.total, 'module')}, {self._failed} failed, {now - self._begin:.0f} s"
        )
        drawing = HTML(f'<progress max="{progress.total}" value="{progress.done}"></progress> hubcheck: {text}')
        if self._handle is None:
            self._handle = display(drawing, display_id=True)
        else:
            self._handle.update(drawing)
