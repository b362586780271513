"""Reading within a deadline and a memory limit, in a process of its own, what may cost more than its size tells.

A small saved_model.pb costs about as much as its size, so it is read where it is checked. An archive, a text proto or a
large proto is first checked from its files by another process. What that process cannot finish is not read here.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from hubcheck.engine.module_report import ModuleReport
from hubcheck.module.file_names import is_archive_name
from hubcheck.module.uri import ModuleSource
from hubcheck.run.resolved import ResolvedOptions
from hubcheck.util.machine import HAS_WORKERS

_READ_HERE = {"saved_model.pb": 16 << 20, "keras_metadata.pb": 16 << 20, "variables/variables.index": 16 << 20}
"""Up to how many bytes the cost of a file follows from its size."""


def is_costly(source: Path) -> bool:
    """Return whether the size of a module's files does not bound what it costs to read them."""
    if is_archive_name(source.name) and source.is_file():
        return True
    sizes = {name: _size(source / name) for name in _READ_HERE}
    is_text = sizes["saved_model.pb"] is None and _size(source / "saved_model.pbtxt") is not None
    return is_text or any(size > _READ_HERE[name] for name, size in sizes.items() if size)


class BoundedReading:
    """Checks costly modules from their files, each in a process of its own.

    Args:
        plan: what to check. A report is returned only if it is one of files alone.
    """

    def __init__(self, plan: ResolvedOptions) -> None:
        self._plan = plan

    def __call__(self, source: ModuleSource, *, downloaded: bool = False) -> ModuleReport | None:
        """Return the report of a costly module, or None if it can be checked by this process.

        Args:
            source: where it is.
            downloaded: whether that is the folder or archive of a download, which no other process was given to read.

        Raises:
            ModuleUnavailable: reading it takes too long or too much memory.
            WorkerDied: the process died.
        """
        if (self._plan.options.apart and not downloaded) or not HAS_WORKERS:
            return None
        if not isinstance(source, Path) or not is_costly(source):  # what is downloaded for a URI is looked at then
            return None
        from hubcheck.run.report_lines import report_from

        line = self._line(source)
        whole = self._plan.options.static and self._plan.rules_by_module is None
        return report_from(line) if whole else None

    def _line(self, source: Path) -> bytes:
        """Return the report as a line of JSON: by a fork, or by a new process where a fork is not possible or died."""
        from hubcheck.run.forked_reading import can_fork, report_by_fork
        from hubcheck.run.reading_bounds import ReadingBounds

        bounds = ReadingBounds.of(self._plan.options)
        if can_fork() and (line := report_by_fork(source, self._plan, bounds)) is not None:
            return line
        from hubcheck.run.processes import WorkerProcesses

        processes = WorkerProcesses(replace(self._plan.options, static=True), Path.cwd())
        try:
            return processes.check(os.fspath(source), bounds)
        finally:
            processes.close()


def _size(file: Path) -> int | None:
    try:
        return file.stat().st_size
    except (OSError, ValueError):
        return None
