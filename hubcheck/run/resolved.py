"""Options to a plan: which rules are asked of which module, by which contracts, and what does not count."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hubcheck.engine.identity import home
from hubcheck.engine.reports import ModuleReport, Report
from hubcheck.engine.summary import tallied
from hubcheck.module.uri import ModuleSource
from hubcheck.rulebook.contract import SignatureContract, load_contracts
from hubcheck.rulebook.rules import Rule, load_rules, matching, select
from hubcheck.run.options import Options
from hubcheck.run.spool import ReportSpool

if TYPE_CHECKING:
    from hubcheck.config.policy import Policy
    from hubcheck.probe.devices import DeviceSelection


@dataclass(frozen=True, slots=True)
class ResolvedOptions:
    """What the options come to: the rules, the contracts, which rules to report, and which needs to waive.

    `own` are the rules and contracts that do not ship with hubcheck.
    """

    rules: Mapping[str, Rule]
    contracts: Mapping[str, SignatureContract]
    own: tuple[Rule | SignatureContract, ...]
    selected: set[str]
    waived: frozenset[str]
    home: Path
    policy: Policy | None = None
    devices: DeviceSelection | None = None
    only: Mapping[Path, set[str]] | None = None

    def selected_for(self, path: ModuleSource) -> set[str]:
        """The rules to report of a module; `only` may name them module by module."""
        if self.only is not None and isinstance(path, Path) and path in self.only:
            return self.only[path]
        return self.selected if self.policy is None else self.policy.selected(path, self.selected)

    def judged(self, report: ModuleReport) -> ModuleReport:
        """A module's report after the configuration and the baseline had their say."""
        return report if self.policy is None else self.policy.apply(report)

    def report(self, modules: Iterable[ModuleReport], *, interrupted: bool = False) -> Report:
        """The report of a run that is over; what was interrupted does not change the baseline."""
        done = modules if isinstance(modules, ReportSpool) else tuple(modules)
        tally = done.tally if isinstance(done, ReportSpool) else tallied(done)
        notices: tuple[str, ...] = ()
        if self.policy is not None and not interrupted:
            self.policy.update()
            notices = tuple(self.policy.notices())
        missing = self.devices.missing if self.devices is not None else None
        incomplete = f"--device: {missing}" if missing else None
        return Report(done, tally, interrupted, incomplete, notices=notices, home=str(self.home), rules=self.rules)


def plan(options: Options) -> ResolvedOptions:
    """The rules and contracts that the options name.

    Raises:
        UnknownRule, DataFileError, UnknownPredicate: they cannot be used.
    """
    from hubcheck.config.rule_folders import find_code, rule_folders

    folders = (*rule_folders(), *options.rules)
    find_code(options.rules)
    rules = load_rules(*folders)
    contracts = load_contracts(*folders)
    own: tuple[Rule | SignatureContract, ...] = (*rules.own.values(), *contracts.own.values())
    for rule in rules.own.values():
        from hubcheck.engine.predicates import check_predicates

        check_predicates(rule)
    policy = None
    levelled: Mapping[str, Rule] = rules
    if options.config is not None or options.baseline is not None:
        from hubcheck.config.policy import Policy, adjusted

        levelled = adjusted(rules, options.config) if options.config is not None else rules
        policy = Policy(options.config, options.baseline, levelled, updating=options.update_baseline)
    selected = select(options.select, rules) if options.select else set(rules)
    selected -= select(options.ignore, rules)
    waived = frozenset(matching("safety", rules)) if options.run_unsafe else frozenset()
    devices = None
    if not options.static and options.cluster is None:
        from hubcheck.probe.devices import choose

        devices = choose(options.device or "auto")
    where = options.config.home if options.config else home()
    return ResolvedOptions(levelled, contracts, own, selected, waived, where, policy, devices)
