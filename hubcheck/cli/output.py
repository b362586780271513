"""Reports as they come: text and JSON lines module by module, other formats and files at the end."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from hubcheck.engine.module_report import ModuleReport
from hubcheck.engine.reports import Report
from hubcheck.report.formats import Output, pieces
from hubcheck.run.resolved import ResolvedOptions
from hubcheck.run.spool import ReportSpool
from hubcheck.util.atomic import write_atomic
from hubcheck.util.text import printable_lines

if TYPE_CHECKING:
    from hubcheck.cli.progress import Bar


def run_and_report(reports: Iterator[ModuleReport], total: int, style: str, plan: ResolvedOptions) -> Report:
    """Run the checks, with the report on standard output and a progress bar on a terminal.

    Ctrl-C ends the run; the report then has the modules that were finished.
    """
    spool, interrupted = ReportSpool(), False
    with ExitStack() as stack:
        bar = None
        if _has_terminal(total, style):
            from hubcheck.cli.progress import progress_bar

            bar = stack.enter_context(progress_bar(total))
        show = _module_printer(style, bar)
        try:
            for report in reports:
                spool.add(report)
                show(report)
                if bar is not None:
                    bar.advance()
        except KeyboardInterrupt:
            interrupted = True
    whole = plan.report(spool, interrupted=interrupted)
    for piece in _remainder(whole, style):
        _print(piece, nl=False)
    return whole


def write(report: Report, target: Output) -> None:
    """Write a report to a file atomically.

    Raises:
        UserError: the file cannot be written.
    """
    write_atomic(target.file, pieces(report, target.format))


def _print(text: str, *, nl: bool = True) -> None:
    """Print while somebody reads: a closed pipe changes neither the verdict nor what is written to files."""
    try:
        click.echo(text, nl=nl)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _module_printer(style: str, bar: Bar | None) -> Callable[[ModuleReport], None]:
    if style == "text":
        from hubcheck.report import text

        width = _width()
        print_lines = bar.print_above if bar is not None and bar.on_stdout else _print
        return lambda report: print_lines(_styled(text.module_lines(report, width=width)))
    if style == "jsonl":
        from hubcheck.report import jsonl

        return lambda report: _print(jsonl.module_line(report), nl=False)
    return lambda report: None


def _remainder(report: Report, style: str) -> Iterator[str]:
    """The part of the report that is printed after all modules."""
    if style == "text":
        from hubcheck.report import text

        return (f"{_styled([line])}\n" for line in text.summary_lines(report))
    if style == "jsonl":
        from hubcheck.report import jsonl

        return iter((jsonl.last_line(report),))
    return pieces(report, style)


def _styled(lines: Iterable[str]) -> str:
    return printable_lines("\n".join(lines), styled=True)


def _has_terminal(total: int, style: str) -> bool:
    """Whether there is a terminal for a bar that is not overwritten by other output."""
    if total < 2:
        return False
    if style == "text":
        return sys.stdout.isatty()
    return sys.stderr.isatty() and not (style == "jsonl" and sys.stdout.isatty())


def _width() -> int:
    """The terminal's width, from 60 to 120 columns; 80 without a terminal."""
    if not sys.stdout.isatty():
        return 80
    import shutil

    return min(max(shutil.get_terminal_size((80, 24)).columns, 60), 120)
