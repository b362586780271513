"""Reports as they come: text and lines of JSON at once, other formats when all is done, files beside them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING

import click

from hubcheck.engine.module_report import ModuleReport
from hubcheck.engine.reports import Report
from hubcheck.report.formats import Output, pieces
from hubcheck.run.resolved import ResolvedOptions
from hubcheck.run.spool import ReportSpool
from hubcheck.util.atomic import write_atomic

if TYPE_CHECKING:
    from hubcheck.cli.progress import Bar

_AT_ONCE = ("text", "jsonl")


def run_and_report(reports: Iterator[ModuleReport], total: int, style: str, plan: ResolvedOptions) -> Report:
    """Have the modules checked, with the report on standard output. Ctrl-C keeps what was finished.

    Where a person watches, a bar shows how far it is.
    """
    done, interrupted = ReportSpool(), False
    with ExitStack() as stack:
        bar = stack.enter_context(_bar(total)) if _is_watched(total, style) else None
        show = _shower(style, bar)
        try:
            for report in reports:
                done.add(report)
                show(report)
                if bar is not None:
                    bar.advance()
        except KeyboardInterrupt:
            interrupted = True
    whole = plan.report(done, interrupted=interrupted)
    for piece in _rest(whole, style):
        _say(piece, nl=False)
    return whole


def _say(text: str, *, nl: bool = True) -> None:
    """Print, as long as anybody reads: who has gone does not change the verdict, nor what goes to files."""
    try:
        click.echo(text, nl=nl)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def write(report: Report, target: Output) -> None:
    """Write a report to a file, whole or not at all.

    Raises:
        UserError: the file cannot be written.
    """
    write_atomic(target.file, pieces(report, target.format))


def _shower(style: str, bar: Bar | None) -> Callable[[ModuleReport], None]:
    if style == "text":
        from hubcheck.report import text

        width = _width()

        def show(report: ModuleReport) -> None:
            lines = "\n".join(text.module_lines(report, width=width))
            if bar is not None and bar.above:
                bar.show(lines)
            else:
                _say(lines)

        return show
    if style == "jsonl":
        from hubcheck.report import jsonl

        return lambda report: _say(jsonl.module_line(report), nl=False)
    return lambda report: None


def _rest(report: Report, style: str) -> Iterator[str]:
    """What could not be told before all was done."""
    if style == "text":
        from hubcheck.report import text

        return (line + "\n" for line in text.summary_lines(report))
    if style == "jsonl":
        from hubcheck.report import jsonl

        return iter((jsonl.last_line(report),))
    return pieces(report, style)


def _is_watched(total: int, style: str) -> bool:
    """Whether there is a terminal for a bar, on which nothing else is written behind its back."""
    if total < 2:
        return False
    return sys.stdout.isatty() if style == "text" else sys.stderr.isatty() and not _shares_terminal(style)


def _shares_terminal(style: str) -> bool:
    return style in _AT_ONCE and sys.stdout.isatty()


def _bar(total: int) -> AbstractContextManager[Bar]:
    from hubcheck.cli.progress import bar

    return bar(total)


def _width() -> int:
    """The terminal's width, within what reads well; 80 columns where there is none."""
    if not sys.stdout.isatty():
        return 80
    import shutil

    return min(max(shutil.get_terminal_size((80, 24)).columns, 60), 120)
