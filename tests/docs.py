"""The pages that are generated from data: `make docs` writes them, a test fails when one is stale."""

from __future__ import annotations

from hubcheck.rulebook.examples import examples
from hubcheck.rulebook.rules import Rule, load_rules
from tests.paths import ROOT

TABLE = ROOT / "rules" / "README.md"


def rules_page() -> str:
    """rules/README.md: a table of all rules, then a section for each."""
    rules = load_rules()
    lines = [
        "<!-- Written by `make docs` from the rule files; edit those. -->",
        "# The rules",
        "",
        f"{len(rules)} rules, each a file in this folder. `error`: the convention says so; `warning`: it recommends",
        "so; `note`: good to know. `static` rules are decided from files alone, `probe` rules by running the module.",
        "",
        "| rule | level | decided by | holds when |",
        "|---|---|---|---|",
        *(f"| [{r.id}](#{anchor(r)}) | {r.level} | {r.phase} | {r.title} |" for r in rules.values()),
        "",
    ]
    group = ""
    for rule in rules.values():
        if rule.group != group:
            group = rule.group
            lines += [f"## {group}", ""]
        lines += section(rule)
    return "\n".join(lines)


def anchor(rule: Rule) -> str:
    return rule.id.replace("/", "")


def section(rule: Rule) -> list[str]:
    """One rule's section: what it says, why, how to mend a fault, and its examples."""
    lines = [f"### {rule.id}", "", f"**{rule.title}.** {rule.level}, decided by {rule.phase}.", ""]
    lines += [f"*Why.* {rule.why}", "", f"*Fix.* {rule.fix}", "", f"*Source.* {rule.source}: {rule.requirement}.", ""]
    if rule.needs or rule.run_needs:
        lines += [f"*Needs.* {', '.join(f'`{n}`' for n in dict.fromkeys((*rule.needs, *rule.run_needs)))}.", ""]
    for example in examples(rule.id):
        link = f"../fixtures/{rule.id}/{example.name}"
        lines.append(f"- {'good' if example.good else 'bad'}: [{example.name}]({link}): {example.title}")
    return [*lines, ""]


if __name__ == "__main__":
    TABLE.write_text(rules_page(), encoding="utf-8")
