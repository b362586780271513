"""The report of a whole run, and its exit code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hubcheck.engine.findings import Finding
from hubcheck.engine.module_report import ModuleReport
from hubcheck.engine.summary import Summary

if TYPE_CHECKING:
    from hubcheck.rulebook.rules import Rule

EXIT_CONFORMS, EXIT_FINDINGS, EXIT_USAGE, EXIT_INCOMPLETE, EXIT_INTERNAL, EXIT_INTERRUPTED = 0, 1, 2, 3, 70, 130


class FindingsError(AssertionError):
    """Raised by Report.raise_for_findings: a module does not conform."""

    def __init__(self, message: str, findings: tuple[Finding, ...]) -> None:
        super().__init__(message)
        self.findings = findings


@dataclass(frozen=True, slots=True)
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
    """

    modules: Sequence[ModuleReport]
    summary: Summary = field(repr=False)
    interrupted: bool = False
    incomplete: str | None = None
    notices: tuple[str, ...] = ()
    project_root: str = ""
    rules: Mapping[str, Rule] = field(default_factory=dict, repr=False)

    @property
    def findings(self) -> tuple[Finding, ...]:
        return tuple(finding for module in self.modules for finding in module.findings)

    @property
    def exit_code(self) -> int:
        """0 conforms, 1 findings, 2 an error in a user's rule, 3 incomplete, 70 an internal error, 130 interrupted."""
        if self.summary.broken:
            return EXIT_INTERNAL
        if self.interrupted:
            return EXIT_INTERRUPTED
        if self.summary.rule_errors:
            return EXIT_USAGE
        if self.summary.failing:
            return EXIT_FINDINGS
        if self.incomplete or self.summary.verdicts["incomplete"]:
            return EXIT_INCOMPLETE
        return EXIT_CONFORMS

    def raise_for_findings(self) -> None:
        """Raise unless every module conforms.

        Raises:
            FindingsError: a finding at or above `fail_on`, or a check that could not be run.
        """
        if self.exit_code != EXIT_CONFORMS:
            failures = tuple(finding for module in self.modules for finding in module.failures)
            raise FindingsError("\n" + "\n".join(self._failure_lines()), failures)

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
