"""Options, resolved into rules, contracts, limits and policy: what everything below `validate` takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hubcheck.config.exclusions import Exclusions
from hubcheck.config.rule_folders import rule_folders
from hubcheck.config.unchecked import with_unchecked
from hubcheck.engine.findings import with_more_options
from hubcheck.engine.identity import module_key, project_root
from hubcheck.engine.module_report import ModuleReport
from hubcheck.engine.reports import Report, summarize
from hubcheck.module.limits import LIMITS, ReadLimits
from hubcheck.module.links import LinkPolicy
from hubcheck.module.uri import ModuleSource
from hubcheck.remote.fetch_options import FetchOptions
from hubcheck.remote.open_archives import OpenArchives
from hubcheck.rulebook.contract import SignatureContract, load_contracts
from hubcheck.rulebook.convention import CONVENTIONS, DEFAULT_CONVENTION, Convention
from hubcheck.rulebook.rules import Rule, load_rules, matching, select, under
from hubcheck.run.options import Options, with_configuration
from hubcheck.run.report_lines import ReportSpool
from hubcheck.util.errors import UserError
from hubcheck.util.record import record

if TYPE_CHECKING:
    from hubcheck.config.policy import Policy
    from hubcheck.probe.devices import DeviceSelection

Keep = Callable[[ModuleSource, ModuleReport], object]
"""Called with a report as soon as it is made, in any order and from any thread."""


@record
class ResolvedOptions:
    """Options with everything that they name loaded.

    Attributes:
        options: the options, with the configuration's values.
        rules: all rules by id, with the levels of the configuration.
        contracts: all signature contracts by name.
        own: the rules and contracts that do not ship with hubcheck.
        selected: the rules to report.
        ignored: the rules that an option leaves out.
        assume_passed: rules whose failure does not keep others from being checked.
        limits: how much of a module is read at most.
        project_root: the folder that modules' keys are relative to.
        exclusions: which modules are left out.
        policy: ignores, expected failures and the baseline, if there are any.
        devices: where modules are run; None if they are not run by this process.
        rules_by_module: the rules to report of single modules, instead of `selected`.
        archives: keeps the last archive with several modules, from their search on.
    """

    options: Options
    rules: Mapping[str, Rule]
    contracts: Mapping[str, SignatureContract]
    own: tuple[Rule | SignatureContract, ...]
    selected: set[str]
    ignored: set[str]
    assume_passed: frozenset[str]
    limits: ReadLimits
    project_root: Path
    exclusions: Exclusions
    policy: Policy | None = None
    devices: DeviceSelection | None = None
    rules_by_module: Mapping[Path, set[str]] | None = None
    archives: OpenArchives = field(default_factory=OpenArchives)

    @property
    def convention(self) -> Convention:
        """The convention that modules are held to."""
        return self.options.convention or DEFAULT_CONVENTION

    @property
    def fetch(self) -> FetchOptions:
        """How modules are read and downloaded."""
        return FetchOptions(self.limits, self.options.download_cache, self.links, self.archives)

    @property
    def links(self) -> LinkPolicy:
        """Where links in modules may lead."""
        return LinkPolicy(self.options.named, self.options.links_below)

    @property
    def replay_options(self) -> tuple[str, ...]:
        """The options that `hubcheck replay` needs besides those of the run itself: what the configuration lacks."""
        config, given = self.options.config, list[str]()
        for name, folders in (("rules", self.options.rules), ("links_below", self.options.links_below)):
            known = getattr(config, name) if config is not None else ()
            given += [
                text
                for folder in folders
                if folder not in known
                for text in (f"--{name.replace('_', '-')}", str(folder))
            ]
        return tuple(given)

    def selected_for(self, module: ModuleSource) -> set[str]:
        """Return the rules to report of a module."""
        if self.rules_by_module is not None and isinstance(module, Path) and module in self.rules_by_module:
            return self.rules_by_module[module]
        if self.policy is None:
            return self.selected
        return self.policy.selected(module_key(module, self.project_root), self.selected)

    def apply_policy(self, report: ModuleReport) -> ModuleReport:
        """Return a module's report with its key, after ignores, expected failures and the baseline are applied."""
        findings = tuple(with_more_options(finding, self.replay_options) for finding in report.findings)
        report = replace(report, key=module_key(report.path, self.project_root), findings=findings)
        ignored = self.ignored
        if self.policy is not None:
            report = self.policy.apply(report)
            ignored = self.policy.selected(report.key, ignored)
        return with_unchecked(report, self.rules, ignored)

    def report(self, modules: Iterable[ModuleReport], *, interrupted: bool = False) -> Report:
        """Return the report of a run."""
        reports = modules if isinstance(modules, ReportSpool) else tuple(modules)
        summary = reports.summary if isinstance(reports, ReportSpool) else summarize(reports)
        notices: tuple[str, ...] = ()
        if self.policy is not None and not interrupted:
            notices = tuple(self.policy.notices())
        missing = release = None
        if self.devices is not None:
            from hubcheck.probe.devices import tensorflow_release

            missing, release = self.devices.missing, tensorflow_release()
        incomplete = f"--device: {missing}" if missing else None
        return Report(
            reports,
            summary,
            interrupted=interrupted,
            incomplete=incomplete,
            notices=(*self.exclusions.notices(), *notices),
            project_root=str(self.project_root),
            rules=self.rules,
            convention=self.convention,
            baseline=self.options.baseline.name if self.options.baseline is not None else None,
            tensorflow=release,
        )


def _globs(options: Options) -> Iterator[tuple[str, Path]]:
    yield from ((glob, Path.cwd()) for glob in options.exclude)
    if options.config is not None:
        yield from ((glob, options.config.folder) for glob in options.config.exclude)


def resolve(options: Options) -> ResolvedOptions:
    """Load everything that the options and their configuration name.

    Raises:
        UnknownRule, DataFileError, UnknownPredicate, UserError: it cannot be used.
    """
    # Cached reports have details, so that runs with and without an HTML report serve each other.
    options = replace(with_configuration(options), details=options.details or options.cache is not None)
    if options.convention not in (None, *CONVENTIONS):
        raise UserError(f"no convention is called {options.convention!r}; they are {' and '.join(CONVENTIONS)}")
    folders = rule_folders(options.rules)
    rules = load_rules(*folders)
    contracts = load_contracts(*folders)
    for rule in rules.own.values():
        from hubcheck.engine.predicates import check_predicates

        check_predicates(rule)
    policy = None
    levelled = under(options.convention or DEFAULT_CONVENTION, rules)
    if options.config is not None or options.baseline is not None:
        from hubcheck.config.policy import Policy, with_levels

        levelled = with_levels(levelled, options.config) if options.config is not None else levelled
        policy = Policy(options.config, options.baseline, levelled, updating=options.update_baseline)
    selected = select(options.select, rules) if options.select else set(rules)
    ignored = select(options.ignore, rules)
    devices = None
    if not options.static and options.cluster is None:
        from hubcheck.probe.devices import select_devices

        devices = select_devices(options.device or "auto")
    return ResolvedOptions(
        options=options,
        rules=levelled,
        contracts=contracts,
        own=(*rules.own.values(), *contracts.own.values()),
        selected=selected - ignored,
        ignored=selected & ignored,
        assume_passed=frozenset(matching("safety", rules)) if options.run_unsafe else frozenset(),
        limits=options.limits or LIMITS,
        project_root=options.config.folder if options.config else project_root(),
        exclusions=Exclusions(_globs(options)),
        policy=policy,
        devices=devices,
    )
