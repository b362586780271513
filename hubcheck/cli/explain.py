"""`hubcheck explain RULE`: why a rule is there, a script that keeps it, and what breaks it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from hubcheck.config.rule_folders import folders_at_hand
from hubcheck.rulebook.examples import Example, counterpart, examples
from hubcheck.rulebook.rules import Rule, load_rules, select

_COLOURS = {"-": "red", "+": "green", "@": "cyan"}


@click.command("explain")
@click.argument("name", metavar="RULE")
@click.option(
    "--rules",
    "folders",
    multiple=True,
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder with rules of your own.",
)
def command(name: str, *, folders: Sequence[Path]) -> int:
    """Tell why RULE is there, how it is broken, and how to mend that; a group's name lists its rules.

    \b
    hubcheck explain image-input/batch-size
    hubcheck explain output
    """
    rules = load_rules(*folders_at_hand(folders))
    chosen = select([name], rules)
    if name not in rules:
        for rule in rules.values():
            if rule.id in chosen:
                click.echo(f"{rule.id}: {rule.title}")
        return 0
    _print(rules[name])
    return 0


def _print(rule: Rule) -> None:
    from hubcheck.report.text import labelled

    click.echo(f"{click.style(rule.id, bold=True)}  {rule.level}, decided by {rule.phase}")
    click.echo(rule.title)
    rows = [("why", rule.why), ("fix", rule.fix), ("spec", f"{rule.source}: {rule.requirement}")]
    if rule.needs or rule.run_needs:
        rows.append(("needs", ", ".join(dict.fromkeys((*rule.needs, *rule.run_needs)))))
    for label, text in rows:
        for line in labelled(label, text, indent=2):
            click.echo(line)
    found = examples(rule.id)
    goods = {example.file.stem: example for example in found if example.good}
    bads: dict[str | None, list[Example]] = {}
    for example in found:
        if not example.good:
            bads.setdefault(counterpart(example.file.stem, goods), []).append(example)
    # The diff is the lesson; so a good script is shown whole, and of what breaks the rule only the difference.
    for name, good in goods.items():
        _print_whole(good)
        for bad in bads.get(name, ()):
            _print_bad(bad, good)
    for bad in bads.get(None, ()):
        _print_whole(bad)


def _print_bad(bad: Example, good: Example) -> None:
    diff = bad.diff_to(good)
    if diff is None:
        _print_whole(bad)
        return
    _print_title(bad)
    for line in diff:
        click.secho(line, fg=_COLOURS.get(line[:1]), bold=line.startswith(("---", "+++")))


def _print_whole(example: Example) -> None:
    _print_title(example)
    click.echo(_coloured(example.code) if sys.stdout.isatty() else example.code.rstrip())


def _print_title(example: Example) -> None:
    click.echo()
    click.secho(f"{example.name}: {example.title}", fg="green" if example.good else "red", bold=True)


def _coloured(code: str) -> str:
    from rich.console import Console
    from rich.syntax import Syntax

    syntax = Syntax(code, "python", theme="ansi_dark", background_color="default")
    out = Console(force_terminal=True)
    with out.capture() as captured:
        out.print(syntax.highlight(code), soft_wrap=True, end="")
    return captured.get().rstrip()
