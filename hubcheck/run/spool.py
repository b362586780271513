"""The reports of a run that is under way: few of them in memory, however many there are."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import IO, overload

from hubcheck.engine.reports import ModuleReport
from hubcheck.engine.summary import Summary

_MOST_IN_MEMORY = 64


class ReportSpool(Sequence[ModuleReport]):
    """Reports in the order in which they came, and what they add up to.

    The first ones stay in memory; the others go to a file without a name, which is gone when this is.
    """

    def __init__(self) -> None:
        self.tally = Summary()
        self._near: list[ModuleReport] = []
        self._starts = array("Q")
        self._file: IO[bytes] | None = None

    def add(self, report: ModuleReport) -> None:
        """Keep one more."""
        self.tally.add(report)
        if len(self._near) < _MOST_IN_MEMORY:
            self._near.append(report)
            return
        # Most runs never come here, and have no use for what that needs.
        from hubcheck.run.report_codec import report_text

        if self._file is None:
            import tempfile

            self._file = tempfile.TemporaryFile(prefix="hubcheck-reports-")  # noqa: SIM115 - it lives as long as this
        self._starts.append(self._file.seek(0, 2))
        self._file.write(report_text(report) + b"\n")

    def __len__(self) -> int:
        return len(self._near) + len(self._starts)

    @overload
    def __getitem__(self, index: int) -> ModuleReport: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[ModuleReport]: ...
    def __getitem__(self, index: int | slice) -> ModuleReport | Sequence[ModuleReport]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        place = index + len(self) if index < 0 else index
        if not 0 <= place < len(self):
            raise IndexError(index)
        if place < len(self._near):
            return self._near[place]
        from hubcheck.run.report_codec import report_from

        assert self._file is not None
        self._file.seek(self._starts[place - len(self._near)])
        return report_from(self._file.readline())
