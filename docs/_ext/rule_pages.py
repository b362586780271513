"""Write a page for each rule from its TOML file and its fixtures, and an index by group: the folder `rules`."""

from __future__ import annotations

import html
import tomllib
from itertools import groupby
from pathlib import Path
from typing import Any

from pages import fenced, folded, prose, write_pages

from hubcheck.report.describe import checked_by
from hubcheck.rulebook.convention import CONVENTIONS, DEFAULT_CONVENTION
from hubcheck.rulebook.examples import Example, counterpart, examples
from hubcheck.rulebook.rules import Rule, load_rules

_GROUPS = {
    "behaviour": "What the signatures compute, as seen in runs.",
    "classification": "The outputs of `image_classification`, and the documentation of its classes.",
    "device": "CPU and GPU.",
    "image-input": "The input `images` of the common signatures.",
    "module": "The module as a whole: its files, variants, signatures, callable and weights.",
    "output": "The outputs of the common signatures.",
    "package": "Archives.",
    "safety": "What a module must not do on the machine of its consumer. A module that fails one of these is not run.",
}
_HEADER = ("| rule | requires | level | checked by |", "|---|---|---|---|")


def index_page(rules: list[Rule]) -> str:
    """Return the table of all rules, grouped by prefix."""
    lines = [
        "# Rules",
        "",
        f"hubcheck has {len(rules)} rules. **error**: the convention demands it; **warning**: the convention",
        "recommends it, or most consumers need it; **note**: good to know. A rule is checked by reading the module's",
        "files, by running the module, or both; `hubcheck validate --static` checks by files alone.",
        "",
        "`hubcheck explain RULE --full` prints the same as these pages.",
        "",
    ]
    for group, members in groupby(rules, lambda rule: rule.group):
        rows = list(members)
        lines += [f"## {group}", "", _GROUPS[group], "", *_HEADER]
        lines += [f"| [](/rules/{r.id}.md) | {prose(r.title)} | {r.level} | {checked_by(r)} |" for r in rows]
        lines += ["", "```{toctree}", ":hidden:", "", *(f"{rule.id}" for rule in rows), "```", ""]
    return "\n".join(lines)


def rule_page(rule: Rule) -> str:
    """Return the page of a rule."""
    since = tomllib.loads(rule.file.read_text(encoding="utf-8")).get("since", "")
    lines = [f"# {rule.id}", "", f"**{prose(rule.title)}.**", "", "| | |", "|---|---|"]
    lines += [f"| {name} | {text} |" for name, text in _facts(rule, since)]
    lines += ["", "## Why", "", prose(rule.why), "", "## What a finding says", "", prose(rule.message), ""]
    lines += ["## How to fix it", "", prose(rule.fix), "", *_examples(rule), *_configuration(rule)]
    return "\n".join(lines)


def _facts(rule: Rule, since: str) -> list[tuple[str, str]]:
    levels = {name: rule.levels.get(name, "does not apply") if rule.levels else rule.level for name in CONVENTIONS}
    usual = levels.pop(DEFAULT_CONVENTION)
    rows = [
        ("level", "; ".join([usual, *(f"`--convention {name}`: {it}" for name, it in levels.items() if it != usual)])),
        ("checked by", checked_by(rule)),
        ("since", f"hubcheck {since}"),
        ("source", f"{prose(rule.source)}: {prose(rule.requirement)}"),
    ]
    needs = list(dict.fromkeys((*rule.needs, *rule.run_needs)))
    if needs:
        rows.append(("skipped if one of these fails", ", ".join(map(_link, needs))))
    return rows


def _link(need: str) -> str:
    group, _, name = need.partition("/")
    return f"[`{need}`](/rules/index.md#{group})" if name == "*" else f"[`{need}`](/rules/{need}.md)"


def _examples(rule: Rule) -> list[str]:
    scripts = examples(rule.id)
    goods = {example.file.stem: example for example in scripts if example.good}
    lines = ["## Failing examples", ""]
    for bad in (example for example in scripts if not example.good):
        good = goods.get(counterpart(bad.file.stem, goods) or "")
        lines += [f"### {bad.name}", "", prose(bad.title), "", *_difference(bad, good)]
    lines += ["## Passing examples", ""]
    for example in goods.values():
        lines += [f"### {example.name}", "", prose(example.title), ""]
        lines += folded(f"fixtures/{rule.id}/{example.name}", fenced("python", example.code))
    return lines


def _difference(bad: Example, good: Example | None) -> list[str]:
    """Return the change that corrects a script; the script itself where little of it is left."""
    diff = bad.diff_to(good) if good is not None else None
    if diff is None:
        return folded(html.escape(bad.name), fenced("python", bad.code))
    return fenced("diff", "\n".join(diff))


def _configuration(rule: Rule) -> list[str]:
    others = [level for level in ("error", "warning", "note") if level != rule.level]
    toml = f'[levels]\n"{rule.id}" = "{others[0]}"\n\n[[ignore]]\nrules = ["{rule.id}"]\npath = "exports/legacy"\n'
    toml += 'reason = "Why these modules may fail the rule."\n'
    command = f"$ hubcheck validate --select {rule.id} exports/"
    lines = ["## Configuration", "", "Check this rule alone:", "", *fenced("console", command)]
    return [*lines, "Change its level, or ignore it for some modules, in `hubcheck.toml`:", "", *fenced("toml", toml)]


def write(folder: Path) -> None:
    """Write the folder of rule pages."""
    rules = list(load_rules().values())
    pages = {f"{rule.id}.md": rule_page(rule) for rule in rules}
    write_pages(folder, {"index.md": index_page(rules), **pages})


def setup(app: Any) -> dict[str, bool]:
    app.connect("builder-inited", lambda app: write(Path(app.srcdir) / "rules"))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
