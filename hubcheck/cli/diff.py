"""`hubcheck diff`: is a new version a drop-in for the consumers of the old one."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

import click

from hubcheck.config.file import limits_at_hand
from hubcheck.config.rule_folders import folders_at_hand
from hubcheck.diff.changes import Agreement, Diff
from hubcheck.diff.compare import compare
from hubcheck.engine.reports import EXIT_CONFORMS, EXIT_FINDINGS, EXIT_INCOMPLETE
from hubcheck.module.types import Module
from hubcheck.module.uri import ModuleSource
from hubcheck.remote.fetch_options import FetchOptions
from hubcheck.remote.sources import find_one_source, open_source
from hubcheck.report.diff import RENDERERS
from hubcheck.report.formats import Output, output
from hubcheck.rulebook.contract import load_contracts
from hubcheck.util.atomic import write_atomic
from hubcheck.util.errors import UserError


@click.command(
    "diff",
    epilog="Exit codes: 0 compatible or additive; 1 breaking; 2 unusable arguments, or no module at a path;"
    " 3 values could not be compared.",
)
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@click.option("--static", is_flag=True, help="Compare what the files declare; run nothing.")
@click.option("--format", "style", type=click.Choice(list(RENDERERS)), default="text", show_default=True)
@click.option("--output", "outputs", multiple=True, metavar="FILE", help="A file to report to as well. Repeatable.")
@click.option("--run-unsafe", is_flag=True, help="Run modules although a safety rule failed.")
@click.option("--sandbox", type=click.Choice(["required", "auto", "off"]), default="auto", show_default=True)
def command(
    old: str, new: str, *, static: bool, style: str, outputs: Sequence[str], run_unsafe: bool, sandbox: str
) -> int:
    """Tell whether NEW is a drop-in for the consumers of OLD.

    A signature has to take at least what it took, and to give at least what it gave. Values of the same pictures
    are compared, too; they are told as a figure, for only consumers know what they can bear.

    \b
    hubcheck diff exports/m/1 exports/m/2
    hubcheck diff --static old.tar.gz new.tar.gz --output diff.md
    """
    targets = [_target(name) for name in outputs]
    fetch = FetchOptions.with_user_cache(limits_at_hand())
    paths = [find_one_source(name, fetch) for name in (old, new)]
    with ExitStack() as stack:
        modules = [stack.enter_context(open_source(path, fetch, weights=not static)) for path in paths]
        if modules[0].format is None:
            raise UserError(f"{old}: {modules[0].problems[0].message}; there is nothing to compare with")
        contracts = load_contracts(*folders_at_hand())
        changes = compare(modules[0], modules[1], contracts)
        rows, incomplete = _values(modules, paths, static, run_unsafe, sandbox)
    found = Diff(old, new, tuple(changes), tuple(rows), incomplete)
    click.echo(RENDERERS[style](found), nl=False)
    for target in targets:
        write_atomic(target.file, [click.unstyle(RENDERERS[target.format](found))])
    if found.verdict == "breaking":
        return EXIT_FINDINGS
    return EXIT_INCOMPLETE if incomplete else EXIT_CONFORMS


def _target(name: str) -> Output:
    target = output(name)
    if target.format not in RENDERERS:
        raise UserError(f"{name}: differences are not written as {target.format}, but as {', '.join(RENDERERS)}")
    return target


def _values(
    modules: Sequence[Module], paths: Sequence[ModuleSource], static: bool, run_unsafe: bool, sandbox: str
) -> tuple[list[Agreement], str | None]:
    if static or any(module.format is None for module in modules):
        return [], None
    if not run_unsafe:
        from hubcheck.run.validate import validate

        unsafe = validate(paths, static=True, select=["safety"], limits=modules[0].limits)
        for report in unsafe.modules:
            if report.failures:
                return [], f"{report.path} was not run: {report.failures[0].rule} failed"
    from hubcheck.diff.values import compare_values

    return compare_values(modules[0], modules[1], load_contracts(*folders_at_hand()), sandbox=sandbox)  # type: ignore[arg-type]
