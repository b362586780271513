"""The formats of a report, by name and by file suffix. A renderer is imported when its format is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hubcheck.engine.reports import Report
from hubcheck.util.errors import UserError


class UnknownFormat(UserError):
    """A file whose name tells no format."""


@dataclass(frozen=True, slots=True)
class Format:
    """A way to write a report; `suffixes` tell it from a file's name.

    `module` has `render(report)`, which gives the text piece by piece, so that a report of many modules is written
    without ever being in memory as a whole.
    """

    name: str
    module: str
    suffixes: tuple[str, ...] = ()


FORMATS: dict[str, Format] = {
    form.name: form
    for form in (
        Format("text", "hubcheck.report.text", (".txt",)),
        Format("json", "hubcheck.report.json", (".json",)),
        Format("jsonl", "hubcheck.report.jsonl", (".jsonl", ".ndjson")),
        Format("sarif", "hubcheck.report.sarif", (".sarif", ".sarif.json")),
        Format("junit", "hubcheck.report.junit", (".xml",)),
        Format("github", "hubcheck.report.github"),
        Format("gitlab", "hubcheck.report.gitlab", ("codequality.json", "code-quality-report.json")),
        Format("markdown", "hubcheck.report.markdown", (".md",)),
        Format("html", "hubcheck.report.html", (".html", ".htm")),
    )
}


@dataclass(frozen=True, slots=True)
class Output:
    """A file to write a report to."""

    file: Path
    format: str


def output(text: str) -> Output:
    """An `--output` argument: FILE, whose suffix tells the format, or FORMAT=FILE.

    Raises:
        UnknownFormat: neither tells a format, or the file cannot be there.
    """
    name, sign, rest = text.partition("=")
    if sign and name in FORMATS:
        chosen, file = name, Path(rest)
    else:
        file = Path(text)
        fitting = [(len(s), form.name) for form in FORMATS.values() for s in form.suffixes if text.endswith(s)]
        if not fitting:
            known = ", ".join(suffix for form in FORMATS.values() for suffix in form.suffixes)
            raise UnknownFormat(f"{text}: the suffix tells no format; give FORMAT={text}, or one of {known}")
        chosen = max(fitting)[1]
    if file.is_dir() or not file.parent.is_dir():
        raise UnknownFormat(f"{file}: cannot be written; its folder is not there, or it is one itself")
    return Output(file, chosen)


def pieces(report: Report, name: str) -> Iterator[str]:
    """The report in the format of that name, piece by piece."""
    text: Iterator[str] = importlib.import_module(FORMATS[name].module).render(report)
    return text


def render(report: Report, name: str) -> str:
    """The same as one text."""
    return "".join(pieces(report, name))
