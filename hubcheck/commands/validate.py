"""`hubcheck validate`: check modules."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from hubcheck.results import ModuleReport, Report
from hubcheck.run import Options, modules_at, plan, stream

if TYPE_CHECKING:
    from rich.console import Console


@click.command(
    epilog="Exit codes: 0 conforms; 1 findings at or above --fail-on; 2 unusable arguments, or no module at a path;"
    " 3 something asked for could not be run; 70 an error of hubcheck's own; 130 after Ctrl-C."
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
    plan(options)
    if style == "json":
        from hubcheck.report import json

        report, _ = _run(modules, options, None)
        click.echo(json.render(report), nl=False)
        return report.exit_code
    from hubcheck.report import text

    out = text.console()
    report, _ = _run(modules, options, out)
    text.print_summary(report, out)
    return report.exit_code


def _folder(name: str) -> Path:
    folder = Path(name)
    if not folder.is_dir():
        raise click.BadParameter(f"{name}: no such folder", param_hint="--rules")
    return folder


def _run(modules: Sequence[Path], options: Options, out: Console | None) -> tuple[Report, bool]:
    """Validate, printing each report when it is there, with progress where somebody watches."""
    done: list[ModuleReport] = []
    interrupted = False
    reports = stream(modules, options)
    try:
        if out is not None and out.is_terminal and len(modules) > 1 and sys.stdin.isatty():
            _with_progress(reports, len(modules), out, done)
        else:
            for report in reports:
                done.append(report)
                _print(report, out)
    except KeyboardInterrupt:
        interrupted = True
    return Report(tuple(done), interrupted=interrupted), interrupted


def _print(report: ModuleReport, out: Console | None) -> None:
    if out is not None:
        from hubcheck.report import text

        text.print_module(report, out)


def _with_progress(reports: object, total: int, out: Console, done: list[ModuleReport]) -> None:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("checking"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=out, transient=True) as progress:
        task = progress.add_task("checking", total=total)
        for report in reports:  # type: ignore[attr-defined]
            done.append(report)
            _print(report, progress.console)
            progress.advance(task)
