"""What the reports of a run add up to: counted as they come, so that nobody has to keep them all for it."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from hubcheck.engine.reports import ModuleReport, Verdict
from hubcheck.rulebook.levels import Level

_MOST_WORST = 10


@dataclass(frozen=True, slots=True)
class RuleCount:
    """How many modules break a rule, and by how many findings of which level."""

    rule: str
    level: Level
    modules: int
    findings: int


class Worst(NamedTuple):
    """A module that violates: its errors and other findings, and how many modules come after the first up to it,
    as a negative number, so that of equals the first is the worst."""

    errors: int
    others: int
    minus_place: int
    path: str


@dataclass(slots=True)
class Summary:
    """Counts over the modules of a run.

    `known` modules were not checked again, since they have not changed. `failing` and `broken` count the modules
    with findings that fail, and those on which hubcheck itself failed.
    """

    modules: int = 0
    known: int = 0
    failing: int = 0
    broken: int = 0
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    levels: Counter[Level] = field(default_factory=Counter)
    _modules_of: Counter[tuple[str, Level]] = field(default_factory=Counter)
    _findings_of: Counter[tuple[str, Level]] = field(default_factory=Counter)
    _worst: list[Worst] = field(default_factory=list)

    def add(self, report: ModuleReport) -> None:
        """Count one more module."""
        self.modules += 1
        self.known += report.known
        self.failing += bool(report.failures)
        self.broken += bool(report.count("broken"))
        self.verdicts[report.verdict] += 1
        found = Counter((finding.rule, finding.level) for finding in report.findings)
        self._findings_of.update(found)
        self._modules_of.update(found.keys())
        for (_, level), count in found.items():
            self.levels[level] += count
        if report.verdict == "violates":
            errors = sum(count for (_, level), count in found.items() if level == "error")
            heapq.heappush(self._worst, Worst(errors, found.total() - errors, 1 - self.modules, report.path))
            if len(self._worst) > _MOST_WORST:
                heapq.heappop(self._worst)

    @property
    def rules(self) -> list[RuleCount]:
        """The rules that were broken: first those that most modules break."""
        rows = [RuleCount(*key, modules, self._findings_of[key]) for key, modules in self._modules_of.items()]
        return sorted(rows, key=lambda row: (-row.modules, -row.findings, row.rule, row.level))

    @property
    def worst(self) -> list[Worst]:
        """The modules with the most errors, then the most findings; of equals the first in the run."""
        return sorted(self._worst, reverse=True)


def tallied(reports: Iterable[ModuleReport]) -> Summary:
    """The counts over all of these."""
    tally = Summary()
    for report in reports:
        tally.add(report)
    return tally
