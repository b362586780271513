"""`hubcheck diff`: is a new version a drop-in replacement for the old one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hubcheck.cli import options
from hubcheck.cli.echo import echo
from hubcheck.cli.project import nearest_project
from hubcheck.diff.changes import Agreement, Diff
from hubcheck.diff.compare import compare
from hubcheck.engine.reports import EXIT_CONFORMS, EXIT_FINDINGS, EXIT_INCOMPLETE
from hubcheck.module.types import Module
from hubcheck.module.uri import parse_source
from hubcheck.remote.sources import find_one_source, open_source
from hubcheck.report.diff import RENDERERS
from hubcheck.report.formats import Output, output
from hubcheck.rulebook.contract import SignatureContract, load_contracts
from hubcheck.rulebook.rules import Rule, load_rules, matching
from hubcheck.util.atomic import write_atomic
from hubcheck.util.errors import UserError

if TYPE_CHECKING:
    from hubcheck.sandbox.policy import Mode


@click.command(
    "diff",
    epilog="Exit codes: 0 compatible or additive; 1 breaking; 2 unusable arguments, or no module at a path;"
    " 3 values could not be compared.",
)
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@options.static
@click.option("--format", "style", type=click.Choice(list(RENDERERS)), default="text", show_default=True)
@click.option("--output", "outputs", multiple=True, metavar="FILE", help="Also write the result to FILE. Repeatable.")
@options.run_unsafe
@options.sandbox
@options.links_below
@options.color
def command(
    old: str,
    new: str,
    *,
    static: bool,
    style: str,
    outputs: Sequence[str],
    run_unsafe: bool,
    sandbox: Mode | None,
    links_below: Sequence[Path],
) -> int:
    """Check whether NEW is a drop-in replacement for the consumers of OLD.

    Each signature must accept at least the inputs that it accepted, and return at least the outputs that it returned.
    The values for the same images are compared too, and reported as numbers: only consumers know how much difference
    they tolerate.

    \b
    hubcheck diff exports/m/1 exports/m/2
    hubcheck diff --static old.tar.gz new.tar.gz --output diff.md
    """
    targets = [_target(name) for name in outputs]
    fetch, rule_folders = nearest_project([old, new], links_below=links_below)
    contracts = load_contracts(*rule_folders)
    sources = [find_one_source(name, fetch) for name in (old, new)]
    with ExitStack() as stack:
        runs = not static
        opened = (open_source(source, fetch, weights=runs, to_run=runs) for source in sources)
        first, second = map(stack.enter_context, opened)
        if first.format is None:
            raise UserError(f"{old}: {first.unreadable_because}; there is nothing to compare with")
        changes = compare(first, second, contracts)
        rows: list[Agreement] = []
        incomplete = None
        if not static and second.format is not None:
            incomplete = None if run_unsafe else _unsafe([first, second], contracts, load_rules(*rule_folders))
            if incomplete is None:
                from hubcheck.diff.values import compare_values

                rows, incomplete = compare_values(first, second, contracts, sandbox=sandbox)
    result = Diff(str(parse_source(old)), str(parse_source(new)), tuple(changes), tuple(rows), incomplete)
    echo(RENDERERS[style](result), nl=False)
    for target in targets:
        write_atomic(target.file, [click.unstyle(RENDERERS[target.format](result))])
    if result.verdict == "breaking":
        return EXIT_FINDINGS
    return EXIT_INCOMPLETE if incomplete else EXIT_CONFORMS


def _target(name: str) -> Output:
    target = output(name)
    if target.format not in RENDERERS:
        raise UserError(f"{name}: diff cannot write {target.format}; the formats are {', '.join(RENDERERS)}")
    return target


def _unsafe(
    modules: Iterable[Module], contracts: Mapping[str, SignatureContract], rules: Mapping[str, Rule]
) -> str | None:
    """Return which module fails a safety rule, and so is not run."""
    from hubcheck.checks.context import Context
    from hubcheck.engine.evaluation import evaluate

    for module in modules:
        evaluation = evaluate(Context(module, contracts), rules, selected=set(matching("safety", rules)))
        failed = [one.rule for one in evaluation.without_run("", complete=True).findings if one.level == "error"]
        if failed:
            return f"{module.path} was not run: {failed[0]} failed"
    return None
