"""What does not count, and why: ignores and expected failures of the configuration, and the baseline.

Rules are asked all the same. Their findings are set aside with a reason, so that every report can show them, and
what sets nothing aside any more is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

from hubcheck.config.baseline import Known, read_baseline, write_baseline
from hubcheck.config.file import Config, Entry, covers
from hubcheck.config.usage import Uses
from hubcheck.engine.findings import Finding, Outcome
from hubcheck.engine.identity import fingerprints, module_key
from hubcheck.engine.module_report import ModuleReport, Suppressed, SuppressionKind
from hubcheck.module.uri import ModuleSource, is_uri, parse_source
from hubcheck.rulebook.levels import LEVELS, Level
from hubcheck.rulebook.rules import Rule, UnknownRule, matching, select
from hubcheck.util.data_files import DataFileError


class Policy:
    """For a run: `selected` and `apply` for each module, then `notices`, and `update_baseline` if that is asked for.

    Args:
        config: the configuration, if there is one.
        baseline: the file of known findings, if there is one.
        rules: all rules by id, with the levels that `adjusted` gave them.
        updating: the baseline is to be written anew, so that it need not be there yet.

    Attributes:
        uses: what became of the entries of the configuration.
        gone: the known findings that were not found any more.

    Raises:
        DataFileError: an entry names no rule, or the baseline cannot be used.
    """

    def __init__(
        self, config: Config | None, baseline: Path | None, rules: Mapping[str, Rule], *, updating: bool = False
    ) -> None:
        self._config = config
        self._rules = rules
        self._file = baseline
        self._known = [] if baseline is None or (updating and not baseline.exists()) else read_baseline(baseline)
        self._updating = updating
        self.uses = Uses()
        self.gone: list[Known] = []
        self._kept: list[Known] = list(self._known)
        for kind, number, entry in self._entries():
            _rules_of(entry.rules, rules, config, f"{kind}.{number}.rules")

    def selected(self, path: ModuleSource, chosen: set[str]) -> set[str]:
        """Those of the chosen rules that the configuration selects for a module."""
        entries = [entry for entry in (self._config.select if self._config else ()) if self._covers(entry, path)]
        if not entries:
            return chosen
        return chosen & {rule for entry in entries for rule in select(entry.rules, self._rules)}

    def apply(self, report: ModuleReport) -> ModuleReport:
        """The report with what does not count set aside."""
        report = self._levelled(report)
        path = parse_source(report.path)
        active, aside = list(report.findings), list[Suppressed]()
        for kind in ("ignore", "xfail"):
            for number, entry in enumerate(getattr(self._config, kind) if self._config else ()):
                if self._covers(entry, path):
                    active = self._set_aside(kind, number, entry, report, active, aside)
        active = self._compare(report, active, aside)
        return replace(
            report,
            findings=tuple(active),
            suppressed=tuple(aside),
            outcomes=_outcomes(report, active, aside, self._reason_for_selecting(path)),
            script=self._script(path),
        )

    def notices(self, *, whole: bool = True) -> Iterator[str]:
        """Entries of the configuration and of the baseline that have nothing to say any more.

        Args:
            whole: False tells that only a part of what was asked for was checked: then only entries for which there
                is no module are told.
        """
        for kind, number, entry in self._entries():
            assert self._config is not None
            place = f"{self._config.file.name}: {kind}"
            if self._is_stale(entry):
                yield f"{place}: no module is at {entry.path!r}; the entry can go"
            if kind == "select":
                continue
            for pattern in entry.rules:
                if whole and self.uses.is_idle((kind, number, pattern)):
                    where = "" if entry.path == "**" else f" for {entry.path!r}"
                    yield f"{place}: {pattern} holds{where} now; the entry can go"
        if self._updating or self._file is None:
            return
        for known in self.gone if whole else ():
            yield f"{self._file.name}: {known.rule} is fixed in {known.module}; --update-baseline takes it out"
        for module in sorted({known.module for known in self._known if not self._may_exist(known)}):
            yield f"{self._file.name}: no module is at {module!r}; --update-baseline takes it out"

    def update_baseline(self) -> None:
        """Write the baseline: what was found now, and what of the old one could not be judged in this run."""
        if self._file is not None and self._updating:
            write_baseline(self._file, [row for row in self._kept if self._may_exist(row)])

    def _may_exist(self, known: Known) -> bool:
        """Whether there may still be a module with this finding; servers are not asked."""
        assert self._file is not None
        return is_uri(known.module) or (self._file.parent / known.module).exists()

    def _entries(self) -> Iterator[tuple[SuppressionKind | Literal["select"], int, Entry]]:
        if self._config is not None:
            kinds: tuple[SuppressionKind | Literal["select"], ...] = ("select", "ignore", "xfail")
            for kind in kinds:
                for number, entry in enumerate(getattr(self._config, kind)):
                    yield kind, number, entry

    def _covers(self, entry: Entry, path: ModuleSource) -> bool:
        assert self._config is not None
        return covers(entry.path, module_key(path, self._config.home))

    def _is_stale(self, entry: Entry) -> bool:
        assert self._config is not None
        if is_uri(entry.path):
            return False  # nobody asks a server for that
        try:
            return not entry.path.startswith("**") and not any(self._config.home.glob(entry.path.rstrip("/")))
        except (NotImplementedError, ValueError):
            return True  # an absolute path, or "**" within a name: no file can be looked for by it

    def _levelled(self, report: ModuleReport) -> ModuleReport:
        """No finding weighs more than the configuration lets its rule weigh."""
        if self._config is None or not self._config.levels:
            return report
        capped = [replace(f, level=max(f.level, self._rules[f.rule].level, key=LEVELS.index)) for f in report.findings]
        return replace(report, findings=tuple(sorted(capped, key=lambda finding: LEVELS.index(finding.level))))

    def _set_aside(
        self,
        kind: SuppressionKind,
        number: int,
        entry: Entry,
        report: ModuleReport,
        active: list[Finding],
        aside: list[Suppressed],
    ) -> list[Finding]:
        for pattern in entry.rules:
            rules = set(matching(pattern, self._rules))
            found = [finding for finding in active if finding.rule in rules]
            active = [finding for finding in active if finding.rule not in rules]
            aside += [Suppressed(finding, kind, entry.reason) for finding in found]
            key = (kind, number, pattern)
            decided = all(self._decided(rule, report) for rule in rules)
            self.uses.note(key, "used" if found else "idle" if decided else "open")
        return active

    def _compare(self, report: ModuleReport, active: list[Finding], aside: list[Suppressed]) -> list[Finding]:
        if self._file is None:
            return active
        key = module_key(report.path, self._file.parent)
        names = fingerprints(report, key)
        of_module = [row for row in self._known if row.module == key]
        known = {row.fingerprint for row in of_module}
        found = set(names.values())
        gone = [row for row in of_module if row.fingerprint not in found and self._decided(row.rule, report)]
        now = [finding for finding in active if self._updating or names[finding] in known]
        self.gone += gone
        present = {Known(key, finding.rule, names[finding], finding.message) for finding in now}
        undecided = [row for row in of_module if row not in gone and row.fingerprint not in found]
        self._kept = [row for row in self._kept if row.module != key] + undecided + sorted(present)
        aside += [Suppressed(finding, "baseline", f"known in {self._file.name}") for finding in now]
        return [finding for finding in active if finding not in now]

    def _decided(self, rule: str, report: ModuleReport) -> bool:
        """Whether this run could have found what the rule finds."""
        if rule not in self._rules:
            return True
        status = next(outcome.status for outcome in report.outcomes if outcome.rule == rule)
        ran = self._rules[rule].probe is None or any(device.ran for device in report.devices)
        return status in ("passed", "failed") and ran

    def _script(self, path: ModuleSource) -> str | None:
        return self._config.scripts.get(module_key(path, self._config.home)) if self._config is not None else None

    def _reason_for_selecting(self, path: ModuleSource) -> str | None:
        entries = [entry for entry in (self._config.select if self._config else ()) if self._covers(entry, path)]
        return "; ".join(entry.reason for entry in entries) or None


def adjusted(rules: Mapping[str, Rule], config: Config) -> Mapping[str, Rule]:
    """The rules with the levels that the configuration gives them; a rule's own id goes before its group.

    Raises:
        DataFileError: a level is given to no rule.
    """
    levels: dict[str, Level] = {}
    for pattern, level in sorted(config.levels.items(), key=lambda item: "/" in item[0]):
        for rule in _rules_of((pattern,), rules, config, f"levels.{pattern}"):
            levels[rule] = level
    if not levels:
        return rules
    return {name: replace(rule, level=levels.get(name, rule.level)) for name, rule in rules.items()}


def _rules_of(patterns: tuple[str, ...], rules: Mapping[str, Rule], config: Config | None, key: str) -> set[str]:
    try:
        return select(patterns, rules)
    except UnknownRule as error:
        assert config is not None
        raise DataFileError(config.file, key, str(error)) from None


_WORDS: dict[SuppressionKind, str] = {"ignore": "ignored: ", "xfail": "expected to fail: ", "baseline": ""}


def _outcomes(
    report: ModuleReport, active: list[Finding], aside: list[Suppressed], selecting: str | None
) -> tuple[Outcome, ...]:
    left = {finding.rule for finding in active}
    reasons: dict[str, dict[str, None]] = {}
    for suppressed in aside:
        reasons.setdefault(suppressed.finding.rule, {})[_WORDS[suppressed.kind] + suppressed.reason] = None

    def judged(outcome: Outcome) -> Outcome:
        if outcome.status == "failed" and outcome.rule not in left:
            return replace(outcome, status="ignored", reason="; ".join(reasons[outcome.rule]))
        if outcome.status == "ignored" and selecting:
            return replace(outcome, reason=f"not selected: {selecting}")
        return outcome

    return tuple(map(judged, report.outcomes))
