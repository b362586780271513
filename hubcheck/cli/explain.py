"""`hubcheck explain RULE`: why a rule exists, scripts that pass it, and what makes others fail."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from hubcheck.cli import options
from hubcheck.cli.echo import echo, terminal_width
from hubcheck.cli.project import nearest_project
from hubcheck.engine.reports import EXIT_CONFORMS
from hubcheck.rulebook.examples import Example, counterpart, examples
from hubcheck.rulebook.rules import Rule, load_rules, matching, select

_COLOURS = {"-": "red", "+": "green", "@": "cyan"}


@click.command("explain")
@click.argument("name", metavar="RULE")
@click.option("--full", is_flag=True, help="All examples, and the rules without which this one is not checked.")
@options.rules
@options.color
def command(name: str, *, full: bool, rules: Sequence[Path]) -> int:
    """Explain why RULE exists, how to fix a module that fails it, and what such a fix looks like.

    A part of a name is enough if only one rule has it; if several have it, or for a group, these rules are listed.

    \b
    hubcheck explain image-input/batch-size
    hubcheck explain width
    hubcheck explain output
    """
    known = load_rules(*nearest_project(rules=rules).rule_folders)
    found = [name] if name in known else matching(name, known) or [rule for rule in known if name.lower() in rule]
    if len(found) == 1:
        _print_rule(known[found[0]], full=full)
    else:
        for rule in sorted(found or select([name], known)):
            echo(f"{rule}: {known[rule].title}")
    return EXIT_CONFORMS


def _print_rule(rule: Rule, *, full: bool) -> None:
    from hubcheck.report.describe import checked_by
    from hubcheck.report.text_lines import labelled

    echo(f"{click.style(rule.id, bold=True)}  {rule.level}, checked by: {checked_by(rule)}")
    echo(rule.title)
    rows = [("why", rule.why, None), ("fix", rule.fix, "cyan"), ("spec", f"{rule.source}: {rule.requirement}", None)]
    if rule.levels:
        levels = ", ".join(f"--convention {name}: {level}" for name, level in rule.levels.items())
        rows.append(("under", levels, None))
    if full and (rule.needs or rule.run_needs):
        rows.append(("needs", ", ".join(dict.fromkeys((*rule.needs, *rule.run_needs))), None))
    for label, text, colour in rows:
        for line in labelled(label, text, indent=2, width=terminal_width(), colour=colour):
            echo(line)
    scripts = examples(rule.id)
    goods = {example.file.stem: example for example in scripts if example.good}
    pairs = [(one, goods.get(counterpart(one.file.stem, goods) or "")) for one in scripts if not one.good]
    if full:
        _print_examples(goods.values(), pairs)
    elif pairs:
        # The first one is the plain form of the fault.
        bad, good = pairs[0]
        _print_example(bad, bad.diff_to(good) if good is not None else None)
        echo(click.style(f"\n{len(scripts)} examples: hubcheck explain {rule.id} --full", dim=True))


def _print_examples(goods: Iterable[Example], pairs: Sequence[tuple[Example, Example | None]]) -> None:
    """Print good scripts in full; of bad ones only the difference, which is what there is to learn."""
    for good in goods:
        _print_example(good)
        for bad, fixed in pairs:
            if fixed is good:
                _print_example(bad, bad.diff_to(good))
    for bad, fixed in pairs:
        if fixed is None:
            _print_example(bad)


def _print_example(example: Example, diff: Sequence[str] | None = None) -> None:
    """Print the script, or its difference from the good one."""
    from hubcheck.report.text_lines import wrapped

    echo()
    for line in wrapped(f"{example.name}: {example.title}", terminal_width()):
        echo(click.style(line, fg="green" if example.good else "red", bold=True))
    if diff is None:
        echo(_highlighted(example.code) if sys.stdout.isatty() else example.code.rstrip())
    for line in diff or ():
        echo(click.style(line, fg=_COLOURS.get(line[:1]), bold=line.startswith(("---", "+++"))))


def _highlighted(code: str) -> str:
    from rich.console import Console
    from rich.syntax import Syntax

    syntax = Syntax(code, "python", theme="ansi_dark", background_color="default")
    console = Console(force_terminal=True)
    with console.capture() as captured:
        console.print(syntax.highlight(code), soft_wrap=True, end="")
    return captured.get().rstrip()
