"""Append-only reports: the first 64 in memory, the rest in an anonymous temporary file."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import IO, overload

from hubcheck.engine.module_report import ModuleReport
from hubcheck.engine.reports import Summary

_MAX_IN_MEMORY = 64


class ReportSpool(Sequence[ModuleReport]):
    """Reports in the order in which they were added; `summary` counts over all of them."""

    def __init__(self) -> None:
        self.summary = Summary()
        self._in_memory: list[ModuleReport] = []
        self._offsets = array("Q")
        self._file: IO[bytes] | None = None

    def add(self, report: ModuleReport) -> None:
        """Append a report."""
        self.summary.add(report)
        if len(self._in_memory) < _MAX_IN_MEMORY:
            self._in_memory.append(report)
            return
        # Imported here because most runs have fewer reports.
        from hubcheck.run.report_codec import report_text

        if self._file is None:
            import tempfile

            self._file = tempfile.TemporaryFile(prefix="hubcheck-reports-")  # noqa: SIM115 - it lives as long as this
        self._offsets.append(self._file.seek(0, 2))
        self._file.write(report_text(report) + b"\n")

    def __len__(self) -> int:
        return len(self._in_memory) + len(self._offsets)

    @overload
    def __getitem__(self, index: int) -> ModuleReport: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[ModuleReport]: ...
    def __getitem__(self, index: int | slice) -> ModuleReport | Sequence[ModuleReport]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        position = index + len(self) if index < 0 else index
        if not 0 <= position < len(self):
            raise IndexError(index)
        if position < len(self._in_memory):
            return self._in_memory[position]
        from hubcheck.run.report_codec import report_from

        assert self._file is not None
        self._file.seek(self._offsets[position - len(self._in_memory)])
        return report_from(self._file.readline())
