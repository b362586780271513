"""The report of one module."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from hubcheck.engine import rendering
from hubcheck.engine.findings import Finding, Outcome
from hubcheck.module.formats import Format
from hubcheck.rulebook.levels import LEVELS, Level
from hubcheck.util.record import record

if TYPE_CHECKING:
    from hubcheck.engine.details import ModuleDetails

Verdict = Literal["conforms", "violates", "incomplete"]
SuppressionKind = Literal["ignore", "xfail", "baseline"]
NotCounting = Literal["not selected", "below fail-on", SuppressionKind]
"""Why a rule that has failed does not make the module violate."""
_NOT_COUNTING: dict[NotCounting, str] = {
    "not selected": "which is not selected",
    "below fail-on": "whose findings are below the level that fails",
    "ignore": "which is ignored",
    "xfail": "which is expected to fail",
    "baseline": "whose findings are in the baseline",
}


@record
class DeviceRun:
    """Whether the module was run on a device, and if not, why."""

    name: str
    ran: bool
    reason: str | None = None


@record
class Suppressed:
    """A finding that does not count, because of the configuration or the baseline."""

    finding: Finding
    kind: SuppressionKind
    reason: str


@record
class Unchecked:
    """The rules that a fault kept from being checked, wholly or in part, although the fault itself does not count.

    `need` is the rule with the fault; the verdict stands without these rules if this is `accepted`, else it is
    incomplete.
    """

    need: str
    why: NotCounting
    accepted: bool
    rules: tuple[str, ...]

    @property
    def need_text(self) -> str:
        """The need and why its fault does not count: "module/readable, which is ignored"."""
        return f"{self.need}, {_NOT_COUNTING[self.why]}"


@record
class ModuleReport:
    """Everything that was found about one module.

    Attributes:
        path: the path or URI as the user gave it, without user name and password.
        key: the module's name across machines and checkouts: its path below the project root, or its URI.
        fail_on: the level from which a finding makes the module violate.
        protections: what the sandbox enforced when the module was run; None if it was not run.
        missing_protections: what it did not enforce, each with the reason.
        file: the name of the file in the module that was read, "" if the module is an archive.
        script: the file that publishes the module, if the configuration names it.
        details: details for people, if they were requested.
        from_cache: whether the report is from an earlier run, since the module has not changed.
        unchecked: the rules that were not checked because of faults that do not count.
        unsaved: why the inputs and outputs of its runs could not be saved, if that was requested.
    """

    path: str
    format: Format | None
    outcomes: tuple[Outcome, ...]
    findings: tuple[Finding, ...]
    devices: tuple[DeviceRun, ...] = ()
    elapsed_s: float = 0.0
    fail_on: Level = "error"
    protections: tuple[str, ...] | None = None
    missing_protections: tuple[str, ...] = ()
    suppressed: tuple[Suppressed, ...] = ()
    file: str = "saved_model.pb"
    script: str | None = None
    details: ModuleDetails | None = None
    from_cache: bool = False
    key: str = ""
    unchecked: tuple[Unchecked, ...] = ()
    unsaved: str = ""

    @property
    def failures(self) -> tuple[Finding, ...]:
        """The findings at or above `fail_on`."""
        failing = LEVELS[: LEVELS.index(self.fail_on) + 1]
        return tuple(finding for finding in self.findings if finding.level in failing)

    @property
    def verdict(self) -> Verdict:
        if self.failures:
            return "violates"
        return "conforms" if all(outcome.complete for outcome in self.outcomes) else "incomplete"

    def is_decided(self, rule: str, *, by_run: bool) -> bool:
        """Return whether the check of this module could have found everything that a rule finds.

        Args:
            rule: the rule's id.
            by_run: whether it is also decided by a run.
        """
        outcome = next((outcome for outcome in self.outcomes if outcome.rule == rule), None)
        if outcome is None or (by_run and not any(device.ran for device in self.devices)):
            return False
        if outcome.status == "ignored":  # by its findings, or because it was not selected
            return any(item.finding.rule == rule for item in self.suppressed)
        return outcome.status == "failed" or (outcome.status == "passed" and outcome.reason is None)

    def __repr__(self) -> str:
        return f"<ModuleReport {self.key or self.path!r} {self.verdict}, findings={len(self.findings)}>"

    def _repr_html_(self) -> str:
        return str(rendering.notebook().module_frame(self))

    def count(self, status: str) -> int:
        """Return how many rules have this status."""
        return sum(outcome.status == status for outcome in self.outcomes)
