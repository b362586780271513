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
from hubcheck.report.formats import pieces
from hubcheck.run.report_lines import ReportSpool
from hubcheck.run.resolved import ResolvedOptions
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
        # A bar needs a terminal on which no other output overwrites it.
        on_stdout = sys.stdout.isatty()
        on_stderr = sys.stderr.isatty() and not (style == "jsonl" and on_stdout)
        if total > 1 and (on_stdout if style == "text" else on_stderr):
            from hubcheck.cli.progress import Bar

            bar = stack.enter_context(Bar(total))
        show, last_pieces = _printers(style, bar)
        try:
            for report in reports:
                spool.add(report)
                show(report)
                if bar is not None:
                    bar.count_module()
        except KeyboardInterrupt:
            interrupted = True
    whole = plan.report(spool, interrupted=interrupted)
    for piece in last_pieces(whole):
        _print(piece, nl=False)
    return whole


def _print(text: str, *, nl: bool = True) -> None:
    """Print while somebody reads: a closed pipe changes neither the verdict nor what is written to files."""
    try:
        click.echo(text, nl=nl)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _printers(style: str, bar: Bar | None) -> tuple[Callable[[ModuleReport], None], Callable[[Report], Iterator[str]]]:
    """Return what prints a module as soon as it is checked, and what yields the text after all modules."""
    if style == "text":
        from hubcheck.report import text

        width = _width()
        print_lines = bar.print_above if bar is not None and bar.on_stdout else _print
        return (
            lambda module: print_lines(_styled(text.module_lines(module, width=width))),
            lambda report: (f"{_styled([line])}\n" for line in text.summary_lines(report)),
        )
    if style == "jsonl":
        from hubcheck.report import jsonl

        return (
            lambda module: _print(jsonl.module_line(module), nl=False),
            lambda report: iter([jsonl.last_line(report)]),
        )
    return lambda module: None, lambda report: pieces(report, style)


def _styled(lines: Iterable[str]) -> str:
    return printable_lines("\n".join(lines), styled=True)


def _width() -> int:
    """The terminal's width, from 60 to 120 columns; 80 without a terminal."""
    if not sys.stdout.isatty():
        return 80
    import shutil

    return min(max(shutil.get_terminal_size((80, 24)).columns, 60), 120)
