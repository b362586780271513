"""The report of a whole run, its counts and its exit code."""

from __future__ import annotations

import heapq
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any, NamedTuple

from hubcheck.engine import rendering
from hubcheck.engine.findings import Finding
from hubcheck.engine.history import History
from hubcheck.engine.module_report import ModuleReport, SuppressionKind, Verdict
from hubcheck.rulebook.convention import DEFAULT_CONVENTION, Convention
from hubcheck.rulebook.levels import Level
from hubcheck.util.record import record
from hubcheck.util.text import printable_lines

if TYPE_CHECKING:
    from hubcheck.rulebook.rules import Rule

EXIT_CONFORMS, EXIT_FINDINGS, EXIT_USAGE, EXIT_INCOMPLETE, EXIT_INTERNAL, EXIT_INTERRUPTED = 0, 1, 2, 3, 70, 130
_PRECEDENCE = (EXIT_CONFORMS, EXIT_INCOMPLETE, EXIT_FINDINGS, EXIT_USAGE, EXIT_INTERRUPTED, EXIT_INTERNAL)
_MAX_WORST = 10


def worst_exit(*codes: int) -> int:
    """Return the exit code that takes precedence over the others."""
    return max(codes, key=_PRECEDENCE.index)


@record
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


@record(frozen=False)
class Summary:
    """Counts over the modules of a run, updated report by report so that the reports need not stay in memory.

    Attributes:
        modules: all modules.
        cached: modules whose report is from an earlier run, since they have not changed.
        failing: modules with findings at or above their `fail_on`.
        broken: modules on which hubcheck itself failed.
        rule_errors: modules on which a check of a user's own rule raised an error.
        unchecked: rules that were not checked because of faults that do not count, on all modules.
        suppressed: findings that do not count, by why they do not.
        unsaved: modules whose evidence could not be saved, by why it could not.
    """

    modules: int = 0
    cached: int = 0
    failing: int = 0
    broken: int = 0
    rule_errors: int = 0
    unchecked: int = 0
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    levels: Counter[Level] = field(default_factory=Counter)
    suppressed: Counter[SuppressionKind] = field(default_factory=Counter)
    unsaved: Counter[str] = field(default_factory=Counter)
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
        self.suppressed.update(item.kind for item in report.suppressed)
        self.unsaved.update([report.unsaved] if report.unsaved else [])
        counts = Counter((finding.rule, finding.level) for finding in report.findings)
        self._findings_of.update(counts)
        self._modules_of.update(counts.keys())
        for (_, level), count in counts.items():
            self.levels[level] += count
        if report.verdict == "violates":
            errors = sum(count for (_, level), count in counts.items() if level == "error")
            worst = Worst(errors, counts.total() - errors, 1 - self.modules, report.path, report.key)
            heapq.heappush(self._worst, worst)
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


class FindingsError(AssertionError):
    """Raised by Report.raise_for_findings: a module does not conform."""

    def __init__(self, message: str, findings: tuple[Finding, ...]) -> None:
        super().__init__(message)
        self.findings = findings


@record
class Report:
    """The reports of all modules, in the order of the paths.

    Attributes:
        modules: one report for each module.
        summary: counts over all modules.
        interrupted: whether Ctrl-C ended the run early.
        incomplete: why something that was requested could not be run at all.
        notices: remarks on the configuration and the baseline.
        project_root: the folder that the modules' keys are relative to.
        rules: the rules that were checked, by id.
        convention: what the modules were held to.
        baseline: the name of the file of known findings, if there is one.
        tensorflow: the release that modules were run with, if they were run by this machine.
        history: how the findings compare with those of earlier runs, if a history is kept: `previous`, when that was,
            and `new`, `fixed` and `failing`, rows of path, rule, level, findings, since and runs.
        elapsed_s: seconds that the run took.
        created: when, in UTC: "2026-11-26T12:00:00Z".
        command: the command line, if the run was started by one.
    """

    modules: Sequence[ModuleReport]
    summary: Summary = field(repr=False)
    interrupted: bool = False
    incomplete: str | None = None
    notices: tuple[str, ...] = ()
    project_root: str = ""
    rules: Mapping[str, Rule] = field(default_factory=dict, repr=False)
    convention: Convention = DEFAULT_CONVENTION
    baseline: str | None = None
    tensorflow: str | None = None
    history: History | None = None
    elapsed_s: float = 0.0
    created: str = field(default_factory=lambda: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
    command: str | None = None

    @property
    def findings(self) -> tuple[Finding, ...]:
        return tuple(finding for module in self.modules for finding in module.findings)

    @property
    def exit_code(self) -> int:
        """0 conforms, 1 findings, 2 an error in a user's rule or evidence that could not be saved, 3 incomplete, 70 an
        internal error, 130 interrupted."""
        by_precedence = (
            (self.summary.broken, EXIT_INTERNAL),
            (self.interrupted, EXIT_INTERRUPTED),
            (self.summary.rule_errors or self.summary.unsaved, EXIT_USAGE),
            (self.summary.failing, EXIT_FINDINGS),
            (self.incomplete or self.summary.verdicts["incomplete"], EXIT_INCOMPLETE),
        )
        return next((code for holds, code in by_precedence if holds), EXIT_CONFORMS)

    @property
    def failures(self) -> tuple[Finding, ...]:
        """The findings at or above `fail_on`: those for which modules fail."""
        return tuple(finding for module in self.modules for finding in module.failures)

    def to_html(self) -> str:
        """Return the page of `--format html`."""
        return str(rendering.formats().render(self, "html"))

    def to_json(self) -> str:
        """Return the document of `--format json`."""
        return str(rendering.formats().render(self, "json"))

    def to_dict(self) -> dict[str, Any]:
        """Return the document of `--format json` as Python's own types."""
        import json

        document: dict[str, Any] = json.loads(self.to_json())
        return document

    def write(self, path: str | os.PathLike[str], *, format: str | None = None) -> None:
        """Write the report to a file, atomically.

        Args:
            path: the file; its folder exists.
            format: one of `--format`; by default that of the suffix, as for `--output`.

        Raises:
            UserError: the format is unknown, or the file cannot be written.
        """
        rendering.formats().write(self, path, format)

    def __repr__(self) -> str:
        verdicts = "".join(f", {name}={count}" for name, count in sorted(self.summary.verdicts.items()) if count)
        return f"<Report modules={self.summary.modules}{verdicts}, exit_code={self.exit_code}>"

    def _repr_html_(self) -> str:
        return str(rendering.notebook().frame(self))

    def raise_for_findings(self) -> None:
        """Raise unless every module conforms.

        Raises:
            FindingsError: a finding at or above `fail_on`, or a check that could not be run.
        """
        if self.exit_code != EXIT_CONFORMS:
            raise FindingsError(printable_lines("\n" + "\n".join(self._failure_lines())), self.failures)

    def _failure_lines(self) -> Iterator[str]:
        if self.incomplete:
            yield f"incomplete: {self.incomplete}"
        for module in self.modules:
            for finding in module.failures:
                text = f"{module.path}: {finding.level} {finding.rule}: {finding.message}"
                rows = (("found", finding.found), ("wanted", finding.wanted), ("fix", finding.fix))
                yield "; ".join([text, *(f"{label}: {value}" for label, value in rows if value)])
            for outcome in module.outcomes:
                if outcome.status == "broken":
                    yield f"{module.path}: {outcome.crash_title}: {outcome.reason}"
                elif not outcome.complete:
                    yield f"{module.path}: {outcome.rule} could not be checked: {outcome.reason}"
