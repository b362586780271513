"""`hubcheck validate`: check modules."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from hubcheck.results import ModuleReport, Report
from hubcheck.run import Options, modules_at, plan, stream


@click.command(
    "validate",
    epilog="Exit codes: 0 conforms; 1 findings at or above --fail-on; 2 unusable arguments, or no module at a path;"
    " 3 something asked for could not be run; 70 an error of hubcheck's own; 130 after Ctrl-C.",
)
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--static", is_flag=True, help="Decide from files alone: no TensorFlow, a fraction of a second.")
@click.option("--select", multiple=True, metavar="RULE", help="Only this rule, or group of rules. Repeatable.")
@click.option("--ignore", multiple=True, metavar="RULE", help="All but this rule, or group of rules. Repeatable.")
@click.option(
    "--rules", "rule_folders", multiple=True, metavar="DIR", help="A folder with rules and signatures of your own."
)
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning"]),
    default="error",
    show_default=True,
    help="What breaks a verdict.",
)
@click.option(
    "--format", "style", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How to report."
)
@click.option("--jobs", type=click.IntRange(min=1), help="Modules run at a time.  [default: one per core]")
@click.option("--run-unsafe", is_flag=True, help="Run a module although a safety rule failed.")
def command(
    paths: Sequence[str],
    *,
    static: bool,
    select: Sequence[str],
    ignore: Sequence[str],
    rule_folders: Sequence[str],
    fail_on: str,
    style: str,
    jobs: int | None,
    run_unsafe: bool,
) -> int:
    """Check modules: each PATH is a module, or a folder with modules below it.

    \b
    hubcheck validate exports/mobilenet_v2
    hubcheck validate --static exports/ --format json
    """
    options = Options(
        static=static,
        select=tuple(select),
        ignore=tuple(ignore),
        rules=tuple(_folder(name) for name in rule_folders),
        fail_on="warning" if fail_on == "warning" else "error",
        jobs=jobs,
        run_unsafe=run_unsafe,
    )
    modules = modules_at(paths)
    reports = stream(modules, options, plan(options))
    if style == "json":
        from hubcheck.report import json

        report = _run(reports, show=False)
        click.echo(json.render(report), nl=False)
        return report.exit_code
    from hubcheck.report import text

    watched = len(modules) > 1 and sys.stdout.isatty()
    report = _with_progress(reports, len(modules)) if watched else _run(reports, show=True)
    for line in text.summary_lines(report):
        click.echo(line)
    return report.exit_code


def _folder(name: str) -> Path:
    folder = Path(name)
    if not folder.is_dir():
        raise click.BadParameter(f"{name}: no such folder", param_hint="--rules")
    return folder


def _run(reports: Iterator[ModuleReport], *, show: bool) -> Report:
    """Validate, and show each report when it is there. Ctrl-C keeps what was finished."""
    done: list[ModuleReport] = []
    try:
        for report in reports:
            done.append(report)
            if show:
                _show(report)
    except KeyboardInterrupt:
        return Report(tuple(done), interrupted=True)
    return Report(tuple(done))


def _show(report: ModuleReport) -> None:
    from hubcheck.report import text

    for line in text.module_lines(report, width=_width()):
        click.echo(line)


def _width() -> int:
    """The terminal's width, within what reads well; 80 columns where there is none."""
    import shutil

    return min(max(shutil.get_terminal_size((80, 24)).columns, 60), 120) if sys.stdout.isatty() else 80


def _with_progress(reports: Iterator[ModuleReport], total: int) -> Report:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("checking"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, transient=True) as progress:
        task = progress.add_task("checking", total=total)

        def advancing() -> Iterator[ModuleReport]:
            for report in reports:
                yield report
                progress.advance(task)

        return _run(advancing(), show=True)
