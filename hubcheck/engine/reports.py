"""What a validation gives: a ModuleReport for each module, a Report for all, and the exit code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from hubcheck.engine.findings import Finding, Outcome
from hubcheck.module.formats import Format
from hubcheck.rulebook.levels import LEVELS, Level

if TYPE_CHECKING:
    from hubcheck.engine.details import ModuleDetails
    from hubcheck.engine.summary import Summary
    from hubcheck.rulebook.rules import Rule

Verdict = Literal["conforms", "violates", "incomplete"]
SuppressionKind = Literal["ignore", "xfail", "baseline"]

EXIT_CONFORMS, EXIT_FINDINGS, EXIT_USAGE, EXIT_INCOMPLETE, EXIT_INTERNAL, EXIT_INTERRUPTED = 0, 1, 2, 3, 70, 130


class FindingsError(AssertionError):
    """Raised by Report.raise_for_findings: a module does not conform."""

    def __init__(self, message: str, findings: tuple[Finding, ...]) -> None:
        super().__init__(message)
        self.findings = findings


@dataclass(frozen=True, slots=True)
class DeviceRun:
    """Whether the module was run on a device, and if not, why."""

    name: str
    ran: bool
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Suppressed:
    """A finding that does not count: the configuration ignores or expects it, or the baseline knows it."""

    finding: Finding
    kind: SuppressionKind
    reason: str


@dataclass(frozen=True, slots=True)
class ModuleReport:
    """Everything said of one module. `fail_on` is the level from which a finding breaks the verdict.

    `file` is the name of the file in it that was read, "" if the module is an archive; `script` the file that
    publishes the module, if the configuration names it. `details` are for the HTML report, if it was asked for. `known`
    tells that the module was not checked again, since it has not changed.
    """

    path: str
    format: Format | None
    outcomes: tuple[Outcome, ...]
    findings: tuple[Finding, ...]
    devices: tuple[DeviceRun, ...] = ()
    elapsed_s: float = 0.0
    fail_on: Level = "error"
    protections: tuple[str, ...] | None = None
    suppressed: tuple[Suppressed, ...] = ()
    file: str = "saved_model.pb"
    script: str | None = None
    details: ModuleDetails | None = None
    known: bool = False

    @property
    def failures(self) -> tuple[Finding, ...]:
        """The findings at or above `fail_on`."""
        worst = LEVELS[: LEVELS.index(self.fail_on) + 1]
        return tuple(finding for finding in self.findings if finding.level in worst)

    @property
    def verdict(self) -> Verdict:
        if self.failures:
            return "violates"
        return "conforms" if all(outcome.complete for outcome in self.outcomes) else "incomplete"

    def count(self, status: str) -> int:
        """How many rules have this status."""
        return sum(outcome.status == status for outcome in self.outcomes)


@dataclass(frozen=True, slots=True)
class Report:
    """The reports of all modules, in the order in which they were given.

    `tally` is what they add up to. `interrupted` tells a Ctrl-C; `incomplete` why something that was asked for could
    not be run at all. `notices` are remarks on the configuration and the baseline. `home` is the folder that paths in
    reports are relative to, `rules` are the rules that were asked, by id.
    """

    modules: Sequence[ModuleReport]
    tally: Summary = field(repr=False)
    interrupted: bool = False
    incomplete: str | None = None
    notices: tuple[str, ...] = ()
    home: str = ""
    rules: Mapping[str, Rule] = field(default_factory=dict, repr=False)

    @property
    def findings(self) -> tuple[Finding, ...]:
        return tuple(finding for module in self.modules for finding in module.findings)

    @property
    def exit_code(self) -> int:
        """0 conforms, 1 findings, 3 incomplete, 70 an error of hubcheck's own, 130 interrupted."""
        if self.tally.broken:
            return EXIT_INTERNAL
        if self.interrupted:
            return EXIT_INTERRUPTED
        if self.tally.failing:
            return EXIT_FINDINGS
        if self.incomplete or self.tally.verdicts["incomplete"]:
            return EXIT_INCOMPLETE
        return EXIT_CONFORMS

    def raise_for_findings(self) -> None:
        """Raise FindingsError unless every module conforms; the message is what `hubcheck validate` prints.

        Raises:
            FindingsError: a finding at or above `fail_on`, or a check that could not be run.
        """
        if self.exit_code != EXIT_CONFORMS:
            from hubcheck.report.text import render

            failures = tuple(finding for module in self.modules for finding in module.failures)
            raise FindingsError("\n" + "".join(render(self)), failures)
