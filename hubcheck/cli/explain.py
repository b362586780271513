"""`hubcheck explain RULE`: why a rule exists, scripts that pass it, and what makes others fail."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from hubcheck.cli import options
from hubcheck.cli.echo import echo
from hubcheck.cli.project import nearest_project
from hubcheck.engine.reports import EXIT_CONFORMS
from hubcheck.rulebook.examples import Example, counterpart, examples
from hubcheck.rulebook.rules import Rule, load_rules, select

_COLOURS = {"-": "red", "+": "green", "@": "cyan"}


@click.command("explain")
@click.argument("name", metavar="RULE")
@options.rules
@options.color
def command(name: str, *, rules: Sequence[Path]) -> int:
    """Explain why RULE exists, how a module fails it, and how to fix that; the name of a group lists its rules.

    \b
    hubcheck explain image-input/batch-size
    hubcheck explain output
    """
    known = load_rules(*nearest_project(rules=rules).rule_folders)
    selected = select([name], known)
    if name in known:
        _print_rule(known[name])
    else:
        for rule in known.values():
            if rule.id in selected:
                echo(f"{rule.id}: {rule.title}")
    return EXIT_CONFORMS


def _print_rule(rule: Rule) -> None:
    from hubcheck.report.describe import checked_by
    from hubcheck.report.text_lines import labelled

    echo(f"{click.style(rule.id, bold=True)}  {rule.level}, checked by: {checked_by(rule)}")
    echo(rule.title)
    rows = [("why", rule.why), ("fix", rule.fix), ("spec", f"{rule.source}: {rule.requirement}")]
    if rule.levels:
        rows.append(("under", ", ".join(f"--convention {name}: {level}" for name, level in rule.levels.items())))
    if rule.needs or rule.run_needs:
        rows.append(("needs", ", ".join(dict.fromkeys((*rule.needs, *rule.run_needs)))))
    for label, text in rows:
        for line in labelled(label, text, indent=2):
            echo(line)
    scripts = examples(rule.id)
    goods = {example.file.stem: example for example in scripts if example.good}
    bads: dict[str | None, list[Example]] = {}
    for example in scripts:
        if not example.good:
            bads.setdefault(counterpart(example.file.stem, goods), []).append(example)
    # Good scripts are shown whole; of bad ones only the difference, which is what there is to learn.
    for name, good in goods.items():
        _print_example(good)
        for bad in bads.get(name, ()):
            _print_example(bad, bad.diff_to(good))
    for bad in bads.get(None, ()):
        _print_example(bad)


def _print_example(example: Example, diff: Sequence[str] | None = None) -> None:
    """Print the script, or its difference from the good one."""
    title = click.style(f"{example.name}: {example.title}", fg="green" if example.good else "red", bold=True)
    echo(f"\n{title}")
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
