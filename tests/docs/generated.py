"""Pages of the checkout that are generated: `make docs` writes them, and a test fails if one is out of date."""

from __future__ import annotations

import ast
import re

from hubcheck.report.describe import checked_by
from hubcheck.rulebook.examples import examples
from hubcheck.rulebook.rules import Rule, load_rules
from tests.docs import speed
from tests.docs.tables import PAGE, compatibility_page
from tests.layers import ORDER
from tests.paths import ROOT

TABLE = ROOT / "rules" / "README.md"
CONTRIBUTING = ROOT / "CONTRIBUTING.md"


def contributing_page() -> str:
    """CONTRIBUTING.md with the list of packages, each with the first sentence of its docstring."""
    width = max(map(len, ORDER)) + 3
    lines = [f"{package + '/':{width}}{purpose(package)}" for package in ORDER]
    listed = "\n".join(["<!-- packages -->", "```", *lines, "```", "<!-- /packages -->"])
    page = CONTRIBUTING.read_text(encoding="utf-8")
    return re.sub("<!-- packages -->.*<!-- /packages -->", lambda _: listed, page, flags=re.DOTALL)


def purpose(package: str) -> str:
    """The first line of a package's docstring."""
    tree = ast.parse((ROOT / "hubcheck" / package / "__init__.py").read_text(encoding="utf-8"))
    return (ast.get_docstring(tree) or "").partition("\n")[0]


def rules_page() -> str:
    """rules/README.md: a table of all rules, then a section for each."""
    rules = load_rules()
    lines = [
        "<!-- Written by `make docs` from the rule files; edit those. -->",
        "# The rules",
        "",
        f"{len(rules)} rules, each a file in this folder. `error`: the convention demands it; `warning`: it",
        "recommends it; `note`: good to know. Rules are checked by reading the module's files, by running the",
        "module, or both.",
        "",
        "| rule | level | checked by | requires |",
        "|---|---|---|---|",
        *(f"| [{r.id}](#{anchor(r)}) | {r.level} | {checked_by(r)} | {r.title} |" for r in rules.values()),
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
    """One rule's section: what it demands, why, how to fix a fault, and its examples."""
    lines = [f"### {rule.id}", "", f"**{rule.title}.** {rule.level}, checked by: {checked_by(rule)}.", ""]
    lines += [f"*Why.* {rule.why}", "", f"*Fix.* {rule.fix}", "", f"*Source.* {rule.source}: {rule.requirement}.", ""]
    if rule.needs or rule.run_needs:
        lines += [f"*Needs.* {', '.join(f'`{n}`' for n in dict.fromkeys((*rule.needs, *rule.run_needs)))}.", ""]
    for example in examples(rule.id):
        link = f"../fixtures/{rule.id}/{example.name}"
        lines.append(f"- {'good' if example.good else 'bad'}: [{example.name}]({link}): {example.title}")
    return [*lines, ""]


def write() -> None:
    """Write the pages of the checkout that are generated."""
    TABLE.write_text(rules_page(), encoding="utf-8")
    CONTRIBUTING.write_text(contributing_page(), encoding="utf-8")
    PAGE.write_text(compatibility_page(), encoding="utf-8")
    speed.PAGE.write_text(speed.speed_page(), encoding="utf-8")
