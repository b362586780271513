"""Counts over the modules of a run, updated report by report so that the reports need not stay in memory."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from hubcheck.engine.module_report import ModuleReport, Verdict
from hubcheck.rulebook.levels import Level

_MAX_WORST = 10


@dataclass(frozen=True, slots=True)
class RuleCount:
    """How many modules fail a rule, and with how many findings of a level."""

    rule: str
    level: Level
    modules: int
    findings: int


class Worst(NamedTuple):
    """A module that violates, with its counts of findings.

    Ordered by severity; `order` is the negated position in the run, so that the first of equal modules is the worst.
    """

    errors: int
    others: int
    order: int
    path: str
    key: str


@dataclass(slots=True)
class Summary:
    """Counts over the modules of a run.

    Attributes:
        modules: all modules.
        cached: modules whose report is from an earlier run, since they have not changed.
        failing: modules with findings at or above their `fail_on`.
        broken: modules on which hubcheck itself failed.
        rule_errors: modules on which a check of a user's own rule raised an error.
        unchecked: rules that were not checked because of faults that do not count, on all modules.
    """

    modules: int = 0
    cached: int = 0
    failing: int = 0
    broken: int = 0
    rule_errors: int = 0
    unchecked: int = 0
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    levels: Counter[Level] = field(default_factory=Counter)
    _modules_of: Counter[tuple[str, Level]] = field(default_factory=Counter)
    _findings_of: Counter[tuple[str, Level]] = field(default_factory=Counter)
    _worst: list[Worst] = field(default_factory=list)

    def add(self, report: ModuleReport) -> None:
        """Count one more module."""
        self.modules += 1
        self.cached += report.from_cache
        self.failing += bool(report.failures)
        crashed = [outcome.rule_error for outcome in report.outcomes if outcome.status == "broken"]
        self.broken += not all(crashed)
        self.rule_errors += any(crashed)
        self.unchecked += len({rule for row in report.unchecked for rule in row.rules})
        self.verdicts[report.verdict] += 1
        counts = Counter((finding.rule, finding.level) for finding in report.findings)
        self._findings_of.update(counts)
        self._modules_of.update(counts.keys())
        for (_, level), count in counts.items():
            self.levels[level] += count
        if report.verdict == "violates":
            errors = sum(count for (_, level), count in counts.items() if level == "error")
            heapq.heappush(
                self._worst, Worst(errors, counts.total() - errors, 1 - self.modules, report.path, report.key)
            )
            if len(self._worst) > _MAX_WORST:
                heapq.heappop(self._worst)

    @property
    def rules(self) -> list[RuleCount]:
        """The failed rules: first those that most modules fail."""
        rows = [RuleCount(*key, modules, self._findings_of[key]) for key, modules in self._modules_of.items()]
        return sorted(rows, key=lambda row: (-row.modules, -row.findings, row.rule, row.level))

    @property
    def worst(self) -> list[Worst]:
        """The modules with the most errors, then the most findings; of equals the first in the run."""
        return sorted(self._worst, reverse=True)


def summarize(reports: Iterable[ModuleReport]) -> Summary:
    """Return the counts over these reports."""
    summary = Summary()
    for report in reports:
        summary.add(report)
    return summary
