"""Reports as they come: text and JSON lines module by module, other formats and files at the end."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from hubcheck.cli.echo import echo, for_terminal, terminal_width
from hubcheck.cli.streams import failure, finishing
from hubcheck.engine.module_report import ModuleReport
from hubcheck.engine.reports import EXIT_USAGE, Report, worst_exit
from hubcheck.report.formats import Output, pieces
from hubcheck.run.report_lines import ReportSpool
from hubcheck.run.resolved import ResolvedOptions
from hubcheck.util.errors import UserError
from hubcheck.util.record import record
from hubcheck.util.text import conjunction, printable_lines, without_credentials

if TYPE_CHECKING:
    from hubcheck.cli.progress import Bar
    from hubcheck.report.history import RunHistory

_TEXTS = ("text", "concise")


@record
class Printing:
    """What is printed on standard output, the files that are written besides, and the history of the modules."""

    format: str
    files: Sequence[Output] = ()
    quiet: bool = False
    verbose: bool = False
    statistics: bool = False
    history: RunHistory | None = None


def run_and_report(reports: Iterator[ModuleReport], total: int, printing: Printing, plan: ResolvedOptions) -> int:
    """Run the checks, with the report on standard output and in files, and a progress bar on a terminal.

    Ctrl-C ends the run; the report then has the modules that were finished.

    Returns:
        The exit code.
    """
    spool, interrupted, style, begin = ReportSpool(), False, printing.format, time.monotonic()
    with ExitStack() as stack:
        bar = None
        # A bar needs a terminal on which no other output overwrites it.
        on_stdout = sys.stdout.isatty()
        on_stderr = sys.stderr.isatty() and not (style == "jsonl" and on_stdout)
        if total > 1 and not printing.quiet and (on_stdout if style in _TEXTS else on_stderr):
            from hubcheck.cli.progress import Bar

            bar = stack.enter_context(Bar(total, coloured=click.get_current_context().color is not False))
        show, last_pieces = _printers(printing, total, bar)
        try:
            for report in reports:
                with finishing():
                    spool.add(report)
                    show(report)
                    if bar is not None:
                        bar.count_module()
        except KeyboardInterrupt:
            interrupted = True
    with finishing():
        import shlex

        command, seconds = without_credentials(shlex.join(["hubcheck", *sys.argv[1:]])), time.monotonic() - begin
        whole = replace(plan.report(spool, interrupted=interrupted), command=command, elapsed_s=seconds)
        if printing.history is not None:
            whole = printing.history.compare(whole)
        errors = list[UserError]()
        if plan.policy is not None and not interrupted:
            try:
                if (text := plan.policy.update_baseline()) is not None:
                    whole = replace(whole, notices=(*whole.notices, text))
            except UserError as error:
                errors.append(error)
        written = _write(whole, printing, errors)
        for piece in last_pieces(whole, written):
            click.echo(piece, nl=False)
        for failed in errors:
            echo(f"Error: {failed}", err=True)
        return worst_exit(whole.exit_code, EXIT_USAGE) if errors else whole.exit_code


def _write(report: Report, printing: Printing, errors: list[UserError]) -> list[str]:
    """Write the reports of a run; return the files, and append why others could not be written to `errors`."""
    written = []
    for target in printing.files:
        try:
            if target.format == "history":
                assert printing.history is not None
                printing.history.write()
            elif _is_open_as(target.file, sys.stderr):
                _write_to_stderr(report, target.format)
                continue
            else:
                from hubcheck.util.atomic import write_atomic

                write_atomic(target.file, pieces(report, target.format))
        except UserError as error:
            errors.append(error)
        else:
            written.append(str(target.file))
    return written


def _write_to_stderr(report: Report, style: str) -> None:
    sys.stderr.writelines(pieces(report, style))
    if (reason := failure(sys.stderr)) is not None:
        raise UserError(f"standard error cannot be written: {reason}")


def for_stdout(style: str | None, outputs: Iterable[Output]) -> tuple[str, list[Output]]:
    """Return the format of the report on standard output, and the other files to write.

    Raises:
        UsageError: two formats are requested for standard output, with `--output FORMAT=/dev/stdout`.
    """
    files, styles = [], [] if style is None else [style]
    for target in outputs:
        if _is_open_as(target.file, sys.stdout):
            styles.append(target.format)
        else:
            files.append(target)
    if len(set(styles)) > 1:
        raise click.UsageError(
            f"standard output takes one report, not {conjunction(styles)}: give a file for each other one"
        )
    return styles[0] if styles else "text", files


def _is_open_as(file: Path, stream: TextIO) -> bool:
    """Return whether a file is what a stream writes to, as /dev/stdout is, or the file that it was redirected to."""
    try:
        return os.path.samestat(file.stat(), os.fstat(stream.fileno()))
    except (OSError, ValueError):
        return False


def _printers(
    printing: Printing, total: int, bar: Bar | None
) -> tuple[Callable[[ModuleReport], None], Callable[[Report, Sequence[str]], Iterable[str]]]:
    """Return what prints a module as soon as it is checked, and what yields the text after all modules."""
    style = printing.format
    if style in _TEXTS:
        import importlib

        from hubcheck.report.run_text import TextReport
        from hubcheck.report.text_lines import TextStyle

        how = TextStyle(
            width=terminal_width(),
            verbose=printing.verbose,
            quiet=printing.quiet,
            statistics=printing.statistics,
            wraps=sys.stdout.isatty(),
            folded=total > 1 and not printing.verbose,
        )
        text = TextReport(importlib.import_module(f"hubcheck.report.{style}").module_lines, how)
        print_lines = bar.print_above if bar is not None and bar.on_stdout else click.echo

        def show(module: ModuleReport) -> None:
            if lines := text.module_lines(module):
                print_lines(_styled(lines))

        return show, lambda report, written: (f"{_styled([line])}\n" for line in text.last_lines(report, written))
    if style == "jsonl":
        from hubcheck.report import jsonl

        return (
            lambda module: click.echo(jsonl.module_line(module), nl=False),
            lambda report, written: [jsonl.last_line(report)],
        )
    return lambda module: None, lambda report, written: pieces(report, style)


def _styled(lines: Iterable[str]) -> str:
    return for_terminal(printable_lines("\n".join(lines), styled=True))
