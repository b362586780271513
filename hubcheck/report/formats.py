"""The report formats, by name and by file suffix. A renderer is imported when its format is used."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from pathlib import Path

from hubcheck.engine.reports import Report
from hubcheck.util.atomic import write_atomic
from hubcheck.util.errors import UserError
from hubcheck.util.record import record
from hubcheck.util.text import conjunction

FORMATS: dict[str, tuple[str, ...]] = {
    "text": (".txt",),
    "concise": (),
    "json": (".json",),
    "jsonl": (".jsonl", ".ndjson"),
    "sarif": (".sarif", ".sarif.json"),
    "junit": (".xml",),
    "github": (),
    "gitlab": ("codequality.json", "code-quality-report.json"),
    "markdown": (".md",),
    "html": (".html", ".htm"),
}
"""Name of each format, and the ends of file names from which it is inferred. `hubcheck.report.NAME` renders it."""

FILE_FORMATS: dict[str, tuple[str, ...]] = {"openmetrics": (".prom",), "history": ()}
"""What is only written to files: counts for Prometheus, and a folder with a file for each run."""
_NAMES = FORMATS | FILE_FORMATS


class UnknownFormat(UserError):
    """An `--output` argument without a format, or with a file that cannot be written."""


@record
class Output:
    """A file to write a report to, or the folder of a history."""

    file: Path
    format: str


def output(argument: str) -> Output:
    """Parse an `--output` argument: FILE, whose suffix implies the format, or FORMAT=FILE, or history=DIR.

    Raises:
        UnknownFormat: there is no format, or the file cannot be written.
    """
    name, sign, rest = argument.partition("=")
    if sign and name in _NAMES:
        return _output(Path(rest), name)
    return _output(Path(argument), _inferred(argument))


def _output(file: Path, chosen: str) -> Output:
    if chosen == "history":
        return Output(file, chosen)
    if file.is_dir() or not file.parent.is_dir():
        raise UnknownFormat(f"{file}: cannot be written: its folder does not exist, or it is a folder itself")
    return Output(file, chosen)


def _inferred(file: str) -> str:
    """Return the format with the longest suffix that fits."""
    fitting = [(len(end), name) for name, ends in _NAMES.items() for end in ends if file.endswith(end)]
    if not fitting:
        known = ", ".join(end for ends in _NAMES.values() for end in ends)
        raise UnknownFormat(f"{file}: cannot infer a format from the suffix; use FORMAT={file}, or one of {known}")
    return max(fitting)[1]


def pieces(report: Report, name: str) -> Iterator[str]:
    """Yield the report in the format of that name, so that one of many modules is never in memory as a whole."""
    text: Iterator[str] = importlib.import_module(f"hubcheck.report.{name}").render(report)
    return text


def write(report: Report, file: str | os.PathLike[str], name: str | None = None) -> None:
    """Write the report to a file, in the format of that name, or else of its suffix.

    Raises:
        UserError: there is no such format, or the file cannot be written.
    """
    if name == "history" or (name is not None and name not in _NAMES):
        raise UnknownFormat(
            f"no format of a file is called {name!r}; they are {conjunction([*FORMATS, 'openmetrics'])}"
        )
    target = _output(Path(file), _inferred(os.fspath(file)) if name is None else name)
    write_atomic(target.file, pieces(report, target.format))


def render(report: Report, name: str) -> str:
    """Return the report as one text."""
    return "".join(pieces(report, name))
