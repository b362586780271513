"""Module reports as lines of JSON, without loss: for other processes, later runs, and the rest of a long run."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import is_dataclass, replace
from functools import cache
from types import UnionType
from typing import IO, Any, Union, get_args, get_origin, get_type_hints, overload

from hubcheck.engine.module_report import ModuleReport
from hubcheck.engine.reports import Summary

_MAX_IN_MEMORY = 64


class ReportSpool(Sequence[ModuleReport]):
    """Append-only reports: the first 64 in memory, the rest in an anonymous temporary file.

    If the file cannot be written, because there is no space, the further reports are in memory, too. `summary` counts
    over all of them.
    """

    def __init__(self) -> None:
        self.summary = Summary()
        self._in_memory: list[ModuleReport] = []
        self._ends = array("Q", [0])
        self._file: IO[bytes] | None = None
        self._compressed: list[bytes] = []

    def add(self, report: ModuleReport) -> None:
        """Append a report."""
        self.summary.add(report)
        if len(self._in_memory) < _MAX_IN_MEMORY:
            self._in_memory.append(report)
            return
        text = report_text(report)
        if not self._compressed and self._write(text):
            self._ends.append(self._ends[-1] + len(text))
        else:
            import zlib

            self._compressed.append(zlib.compress(text, 1))

    def _write(self, text: bytes) -> bool:
        """Append to the file; return False if that is impossible."""
        try:
            if self._file is None:
                import tempfile

                self._file = tempfile.TemporaryFile(prefix="hubcheck-reports-", buffering=0)  # noqa: SIM115
            self._file.seek(self._ends[-1])
            return self._file.write(text) == len(text)
        except OSError:
            return False

    def __len__(self) -> int:
        return len(self._in_memory) + len(self._ends) - 1 + len(self._compressed)

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
        position -= len(self._in_memory)
        if position >= len(self._ends) - 1:
            import zlib

            return report_from(zlib.decompress(self._compressed[position - len(self._ends) + 1]))
        assert self._file is not None
        self._file.seek(self._ends[position])
        return report_from(self._file.read(self._ends[position + 1] - self._ends[position]))


def report_text(report: ModuleReport) -> bytes:
    """Return the report as one line of JSON, without the line's end; `report_from` is the inverse."""
    import json  # few runs need it

    return json.dumps(report, separators=(",", ":"), default=_plain).encode()


def report_from(text: bytes) -> ModuleReport:
    """Return the report that report_text wrote.

    Raises:
        ValueError: the text is something else.
    """
    try:
        import json

        data = json.loads(text)
        details = data.pop("details")
        report: ModuleReport = _record_maker(ModuleReport)(data)
        if details is None:
            return report
        from hubcheck.engine.details import ModuleDetails

        return replace(report, details=_record_maker(ModuleDetails)(details))
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError("this is not a report") from error


def _plain(value: Any) -> Any:
    """Records and bytes as what JSON has."""
    if isinstance(value, bytes):
        import base64

        return base64.b64encode(value).decode()
    if is_dataclass(value):
        return {name: getattr(value, name) for name in value.__dataclass_fields__}
    raise TypeError(f"a report holds a {type(value).__name__}")


@cache
def _maker(kind: Any) -> Callable[[Any], Any] | None:
    """Return what makes a value of a type from plain data; None if the data is the value."""
    if kind is bytes:
        import base64

        return base64.b64decode
    if get_origin(kind) in (Union, UnionType):
        (kind,) = (one for one in get_args(kind) if one is not type(None))
        present = _maker(kind)
        return present and (lambda data: None if data is None else present(data))
    if get_origin(kind) is tuple:
        inner = _maker(get_args(kind)[0])
        return tuple if inner is None else lambda data: tuple(map(inner, data))
    return _record_maker(kind) if isinstance(kind, type) and is_dataclass(kind) else None


@cache
def _record_maker(kind: Any) -> Callable[[dict[str, Any]], Any]:
    # The types of details are resolved only for reports that have them.
    hints = get_type_hints(kind, localns={"ModuleDetails": Any})
    makers = {name: maker for name, hint in hints.items() if (maker := _maker(hint)) is not None}

    def make(data: dict[str, Any]) -> Any:
        values = {name: makers[name](value) if name in makers else value for name, value in data.items()}
        return kind(**values)

    return make
