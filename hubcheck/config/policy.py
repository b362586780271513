"""Which findings do not count, and why: ignores, expected failures and the baseline.

The rules are checked all the same. Their findings are suppressed with a reason, so that every report can show them, and
entries that suppress nothing any more are reported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

from hubcheck.config.baseline import Baseline, KnownFinding
from hubcheck.config.file import Config, PolicyEntry
from hubcheck.config.path_patterns import may_have_modules
from hubcheck.engine.findings import Finding, Outcome
from hubcheck.engine.module_report import ModuleReport, Suppressed, SuppressionKind
from hubcheck.rulebook.levels import LEVELS, Level
from hubcheck.rulebook.rules import Rule, UnknownRule, matching, select
from hubcheck.util.data_files import DataFileError

EntryKind = Literal["select", "ignore", "xfail"]
_KINDS: tuple[EntryKind, ...] = ("select", "ignore", "xfail")
_SUPPRESSING: tuple[Literal["ignore", "xfail"], ...] = ("ignore", "xfail")
Use = Literal["unused", "shadowed", "undecided", "used"]
"""How modules used a pattern: all of its rules passed, earlier entries suppressed their findings, some rules could not
be decided, or a finding was suppressed."""
_USES: tuple[Use, ...] = ("unused", "shadowed", "undecided", "used")
_UNUSED = {"unused": "{} passes for {}", "shadowed": "an earlier entry suppresses the findings of {} for {}"}
_LABELS: dict[SuppressionKind, str] = {"ignore": "ignored: ", "xfail": "expected to fail: ", "baseline": ""}


class Policy:
    """The policy of a run: `selected` and `apply` for each module, then `notices` and `update_baseline`.

    Args:
        config: the configuration, if there is one.
        baseline: the file of known findings, if there is one.
        rules: all rules by id, with the levels of `with_levels`.
        updating: the baseline will be written anew, so that it need not exist.

    Raises:
        DataFileError: an entry matches no rule, or the baseline cannot be used.
    """

    def __init__(
        self, config: Config | None, baseline: Path | None, rules: Mapping[str, Rule], *, updating: bool = False
    ) -> None:
        self._config = config
        self._rules = rules
        self._baseline = Baseline(baseline, updating=updating) if baseline is not None else None
        self._uses: dict[tuple[str, int, str], Use] = {}
        for kind in _KINDS:
            for number, entry in self._entries(kind):
                assert config is not None
                _matching_rules(entry.rules, rules, config, f"{kind}.{number}.rules")

    def selected(self, key: str, chosen: set[str]) -> set[str]:
        """Return those of the chosen rules that the configuration selects for the module with this key."""
        entries = [entry for _, entry in self._entries("select") if entry.covers(key)]
        return chosen & select((rule for entry in entries for rule in entry.rules), self._rules) if entries else chosen

    def expected_to_fail(self, key: str, rule: str) -> str | None:
        """Return the reason of the first entry that expects a rule to fail on the module with this key."""
        entries = (entry for _, entry in self._entries("xfail") if entry.covers(key))
        return next((entry.reason for entry in entries if rule in select(entry.rules, self._rules)), None)

    def apply(self, report: ModuleReport) -> ModuleReport:
        """Return the report with levels capped, findings suppressed, and outcomes to match."""
        report = self._with_capped_levels(report)
        active, suppressed = list(report.findings), list[Suppressed]()
        for kind in _SUPPRESSING:
            for number, entry in self._entries(kind):
                for pattern in entry.rules if entry.covers(report.key) else ():
                    rules = set(matching(pattern, self._rules))
                    hits = [finding for finding in active if finding.rule in rules]
                    earlier = any(item.finding.rule in rules for item in suppressed)
                    active = [finding for finding in active if finding.rule not in rules]
                    suppressed += [Suppressed(finding, kind, entry.reason) for finding in hits]
                    decided = all(self._is_decided(rule, report) for rule in rules)
                    unused: Use = "shadowed" if earlier else "unused" if decided else "undecided"
                    self._note((kind, number, pattern), "used" if hits else unused)
        if self._baseline is not None:
            known = self._baseline.known(
                report, active, lambda row: self._is_decided(row.rule, report, by_run=row.by_run)
            )
            active = [finding for finding in active if finding not in known]
            suppressed += [Suppressed(item, "baseline", f"known in {self._baseline.file.name}") for item in known]
        return replace(
            report,
            findings=tuple(active),
            suppressed=tuple(suppressed),
            outcomes=tuple(self._outcomes(report, active, suppressed)),
            script=self._config.scripts.get(report.key) if self._config is not None else None,
        )

    def notices(self, *, whole: bool = True) -> Iterator[str]:
        """Yield which entries of the configuration and of the baseline can be removed.

        Args:
            whole: False if only a part of the requested modules and rules was checked: then only entries whose path
                has no module are reported.
        """
        for kind in _KINDS:
            for number, entry in self._entries(kind):
                assert self._config is not None
                file, seen = self._config.file.name, any(key[:2] == (kind, number) for key in self._uses)
                if not seen and not may_have_modules(entry.path, entry.folder):
                    yield f"{file}: unused {kind}: no module at {entry.path!r}; remove this entry"
                for pattern in entry.rules if whole and kind != "select" else ():
                    if (text := _UNUSED.get(self._uses.get((kind, number, pattern), ""))) is not None:
                        where = "all modules" if entry.path == "**" else repr(entry.path)
                        yield f"{file}: unused {kind}: {text.format(pattern, where)}; remove this entry"
        for path in self._config.scripts if self._config is not None else ():
            assert self._config is not None
            if not may_have_modules(path, self._config.folder.as_posix()):
                yield f"{self._config.file.name}: unused script: no module at {path!r}; remove this entry"
        if self._baseline is not None:
            yield from self._baseline.notices(whole=whole)

    def update_baseline(self) -> str | None:
        """Write the baseline, if that was requested, and return what was written."""
        return self._baseline.write() if self._baseline is not None else None

    def observed(self) -> dict[str, Any]:
        """Return how the entries were used in this process, as plain data for `merge` in another one."""
        fixed = self._baseline.fixed if self._baseline is not None else ()
        return {"uses": list(self._uses.items()), "fixed": [asdict(row) for row in fixed]}

    def merge(self, observed: dict[str, Any]) -> None:
        """Add what another process observed."""
        for pattern, use in observed["uses"]:
            self._note(tuple(pattern), use)
        if self._baseline is not None:
            self._baseline.fixed += (KnownFinding(**row) for row in observed["fixed"])

    def _note(self, pattern: tuple[str, int, str], use: Use) -> None:
        """Note how a module used a pattern, by its entry's kind and number; the last use in `_USES` counts."""
        self._uses[pattern] = max(self._uses.get(pattern, "unused"), use, key=_USES.index)

    def _entries(self, kind: EntryKind) -> Iterator[tuple[int, PolicyEntry]]:
        return iter(enumerate(getattr(self._config, kind) if self._config is not None else (), 1))

    def _with_capped_levels(self, report: ModuleReport) -> ModuleReport:
        """No finding has a higher level than the configuration gives its rule."""
        if self._config is None or not self._config.levels:
            return report
        capped = [replace(f, level=max(f.level, self._rules[f.rule].level, key=LEVELS.index)) for f in report.findings]
        return replace(report, findings=tuple(sorted(capped, key=lambda finding: LEVELS.index(finding.level))))

    def _is_decided(self, rule: str, report: ModuleReport, *, by_run: bool = True) -> bool:
        """Whether this run could have found what the rule finds; only what its files show unless `by_run`."""
        if rule not in self._rules:
            return True
        return report.is_decided(rule, by_run=by_run and self._rules[rule].probe is not None)

    def _outcomes(self, report: ModuleReport, active: list[Finding], suppressed: list[Suppressed]) -> Iterator[Outcome]:
        failing = {finding.rule for finding in active}
        selecting = "; ".join(entry.reason for _, entry in self._entries("select") if entry.covers(report.key))
        reasons: dict[str, dict[str, None]] = {}
        for item in suppressed:
            reasons.setdefault(item.finding.rule, {})[_LABELS[item.kind] + item.reason] = None
        for outcome in report.outcomes:
            if outcome.status == "failed" and outcome.rule not in failing:
                yield replace(outcome, status="ignored", reason="; ".join(reasons[outcome.rule]))
            elif outcome.status == "ignored" and selecting:
                yield replace(outcome, reason=f"not selected: {selecting}")
            else:
                yield outcome


def with_levels(rules: Mapping[str, Rule], config: Config) -> Mapping[str, Rule]:
    """Return the rules with the levels of the configuration; a rule's own id takes precedence over its group.

    Raises:
        DataFileError: a level matches no rule.
    """
    levels: dict[str, Level] = {}
    for pattern, level in sorted(config.levels.items(), key=lambda item: "/" in item[0]):
        levels |= dict.fromkeys(_matching_rules((pattern,), rules, config, f"levels.{pattern}"), level)
    if not levels:
        return rules
    return {name: replace(rule, level=levels.get(name, rule.level)) for name, rule in rules.items()}


def _matching_rules(patterns: tuple[str, ...], rules: Mapping[str, Rule], config: Config, key: str) -> set[str]:
    try:
        return select(patterns, rules)
    except UnknownRule as error:
        raise DataFileError(config.file, key, str(error)) from None
