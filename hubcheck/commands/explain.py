"""`hubcheck explain RULE`: why a rule is there, an example that breaks it, and the same example mended."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import rich_click as click

from hubcheck.extensions import rule_folders
from hubcheck.fixtures import examples
from hubcheck.rules import Rule, load_rules, select


@click.command
@click.argument("name", metavar="RULE")
@click.option("--rules", "folders", multiple=True, metavar="DIR", help="A folder with rules of your own.")
def command(name: str, *, folders: Sequence[str]) -> int:
    """Tell why RULE is there, how it is broken, and how to mend that; a group's name lists its rules.

    \b
    hubcheck explain image-input/batch-size
    hubcheck explain output
    """
    rules = load_rules(*rule_folders(), *(Path(folder) for folder in folders))
    chosen = select([name], rules)
    if name not in rules:
        for rule in rules.values():
            if rule.id in chosen:
                click.echo(f"{rule.id}: {rule.title}")
        return 0
    _print(rules[name])
    return 0


def _print(rule: Rule) -> None:
    from rich.syntax import Syntax
    from rich.text import Text

    from hubcheck.report.text import LEVEL_STYLES, console, facts

    out = console()
    head = Text(rule.id, style="bold")
    head.append(f"  {rule.level}", style=LEVEL_STYLES[rule.level])
    head.append(f"  decided by {rule.phase}", style="dim")
    out.print(head)
    out.print(Text(rule.title))
    rows = [("why", rule.why), ("fix", rule.fix), ("spec", f"{rule.source}: {rule.requirement}")]
    if rule.needs or rule.probe_needs:
        rows.append(("needs", ", ".join(dict.fromkeys((*rule.needs, *rule.probe_needs)))))
    out.print(facts(rows))
    for example in examples(rule.id):
        out.print()
        out.print(Text(f"{example.name}: {example.title}", style="bold green" if example.good else "bold red"))
        code = Syntax(example.code, "python", theme="ansi_dark", background_color="default").highlight(example.code)
        out.print(code, soft_wrap=True)
