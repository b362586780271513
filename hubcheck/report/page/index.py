"""The list of modules on the page: failures first, and few facts of each, so that long runs fit into memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from hubcheck.engine.history import History
from hubcheck.engine.module_report import ModuleReport, Verdict
from hubcheck.report import describe
from hubcheck.rulebook.levels import LEVELS
from hubcheck.util.text import plural

_ORDER: tuple[Verdict, ...] = ("violates", "incomplete", "conforms")


class Entry(NamedTuple):
    """A module in the list.

    Attributes:
        number: its position in the run; it names the module on the page.
        counts: how many findings of each level it has: errors, warnings, notes.
        text: the counts of findings, or else of rules.
        rules: the rules with findings that count, those of errors first.
        seconds: how long it took.
        age: "new" if it has findings that were not there in its last run, else since when it has them; "" if not known.
    """

    number: int
    key: str
    verdict: Verdict
    counts: tuple[int, ...]
    text: str
    rules: Sequence[str]
    seconds: float
    cached: bool
    age: str


def entries(modules: Iterable[ModuleReport], history: History | None) -> dict[Verdict, list[Entry]]:
    """Return the list of modules by verdict: the failed ones first, and of these those with most errors."""
    ages: dict[str, str] = {}
    if history is not None and history.previous is not None:
        ages = {change.path: f"since {change.since[:10]}" for change in reversed(history.failing)}
        ages |= {change.path: "new" for change in history.new}
    groups: dict[Verdict, list[Entry]] = {verdict: [] for verdict in _ORDER}
    for number, module in enumerate(modules):
        groups[module.verdict].append(_entry(number, module, ages.get(module.path, "")))
    for group in groups.values():
        group.sort(key=lambda entry: [-count for count in entry.counts])
    return {verdict: group for verdict, group in groups.items() if group}


def _entry(number: int, module: ModuleReport, age: str) -> Entry:
    found = sorted(module.findings, key=lambda finding: LEVELS.index(finding.level))
    counts = tuple(sum(finding.level == level for finding in found) for level in LEVELS)
    rules = tuple(dict.fromkeys(finding.rule for finding in found))
    text = ", ".join(_texts(counts)) or describe.counts(module)
    return Entry(number, module.key, module.verdict, counts, text, rules, module.elapsed_s, module.from_cache, age)


def _texts(counts: Iterable[int]) -> Iterator[str]:
    return (plural(count, level) for count, level in zip(counts, LEVELS, strict=True) if count)
