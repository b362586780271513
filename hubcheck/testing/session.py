"""The reports of one pytest run, shared by the workers of pytest-xdist."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hubcheck.config.file import find_config
from hubcheck.engine.findings import Finding
from hubcheck.engine.identity import module_key
from hubcheck.engine.module_report import ModuleReport
from hubcheck.engine.reports import Report
from hubcheck.module.archive import names_module
from hubcheck.module.uri import ModuleSource
from hubcheck.rulebook.convention import Convention
from hubcheck.rulebook.levels import Level
from hubcheck.run.bounded_reading import BoundedReading
from hubcheck.run.checker import Checker
from hubcheck.run.options import Options
from hubcheck.run.report_lines import report_from, report_text
from hubcheck.run.resolved import ResolvedOptions, resolve
from hubcheck.run.validate import modules_at
from hubcheck.util.locks import locked

if TYPE_CHECKING:
    from hubcheck.config.policy import Policy


class CheckSession:
    """Reports of the modules of a test run.

    Args:
        root: pytest's root folder, from which the configuration is looked for.
        static: decide from files alone.
        fail_on: the level from which a finding fails; None leaves it to the configuration.
        convention: what consumers call; None leaves it to the configuration.
        rules: folders with rules and signatures of the user's own, besides those in the configuration.
        shared: a folder that the workers of the run have in common; None if there is one process.
    """

    def __init__(
        self,
        root: Path,
        *,
        static: bool,
        fail_on: Level | None,
        convention: Convention | None,
        rules: Iterable[Path],
        shared: Path | None,
    ) -> None:
        options = Options(
            static=static, fail_on=fail_on, convention=convention, rules=tuple(rules), config=find_config(root)
        )
        self._plan = resolve(options)
        if shared is not None:
            shared.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._shared = shared
        self._reports: dict[Path, ModuleReport] = {}
        self._coming: Generator[ModuleReport, None, None] | None = None
        self._checkers: dict[bool, Checker] = {}

    @property
    def policy(self) -> Policy | None:
        """Ignores, expected failures and the baseline, if there are any."""
        return self._plan.policy

    def rules_of(self, module: Path) -> list[str]:
        """Return the ids of the rules to check on a module, in the order of the rule files."""
        selected = self._plan.selected_for(module)
        return [rule for rule in self._plan.rules if rule in selected]

    def is_excluded(self, module: Path) -> bool:
        """Return whether the configuration leaves a module out."""
        return self._plan.exclusions.covers(module)

    def is_module(self, archive: Path) -> bool:
        return names_module(archive, self._plan.limits)

    def expected_to_fail(self, module: Path, rule: str) -> str | None:
        """Return the reason for which the configuration expects a rule to fail on a module, if it does."""
        key = module_key(module, self._plan.project_root)
        return None if self.policy is None else self.policy.expected_to_fail(key, rule)

    def findings(self, report: ModuleReport, rule: str) -> tuple[list[Finding], list[Finding]]:
        """Return the findings of a rule that fail, expected failures included, and those that do not."""
        failing = [finding for finding in report.failures if finding.rule == rule]
        lesser = [finding for finding in report.findings if finding.rule == rule and finding not in failing]
        failing += [item.finding for item in report.suppressed if item.kind == "xfail" and item.finding.rule == rule]
        return failing, lesser

    def report(self, module: Path, remaining: Mapping[Path, set[str]]) -> ModuleReport:
        """Return the report of a module.

        In one process the modules are checked in the order of their tests, so that the next module runs during the
        tests of this one. Workers of pytest-xdist take modules as they come.

        Args:
            module: where it is.
            remaining: the rules that the test run still has to check, by module.
        """
        if self._shared is not None and module not in self._reports:
            self._reports[module] = self._shared_report(self._shared, module, remaining)
        while module not in self._reports:
            if self._coming is None:
                order = list(remaining)
                following = order[order.index(module) :] if module in order else [module]
                self._coming = self._stream(following, remaining)
            report = next(self._coming, None)
            if report is None:
                self._coming = None
            else:
                self._reports[Path(report.path)] = report
        return self._reports[module]

    def validate(
        self,
        paths: Iterable[Path],
        *,
        static: bool = False,
        select: Iterable[str] = (),
        ignore: Iterable[str] = (),
        fail_on: Level | None = None,
        convention: Convention | None = None,
    ) -> Report:
        """Return a report of modules that a test has made."""
        options = self._plan.options
        plan = resolve(
            replace(
                options,
                static=static or options.static,
                select=tuple(select),
                ignore=tuple(ignore),
                fail_on=fail_on or options.fail_on,
                convention=convention or options.convention,
            )
        )
        return plan.report(self._check(modules_at(paths, plan), plan))

    def close(self) -> None:
        """End the workers that run modules, also in the middle of a run."""
        if self._coming is not None:
            self._coming.close()
            self._coming = None
        for checker in self._checkers.values():
            checker.close()
        self._checkers.clear()

    def _stream(
        self, modules: Iterable[Path], remaining: Mapping[Path, set[str]]
    ) -> Generator[ModuleReport, None, None]:
        rules = {rule for rules in remaining.values() for rule in rules}
        static = self._plan.options.static or not any(self._plan.rules[rule].probe for rule in rules)
        options = replace(self._plan.options, static=static)
        yield from self._check(modules, replace(self._plan, options=options, rules_by_module=remaining))

    def _check(self, modules: Iterable[ModuleSource], plan: ResolvedOptions) -> Iterator[ModuleReport]:
        static = plan.options.static
        if static not in self._checkers:
            self._checkers[static] = Checker(plan)
        return map(plan.apply_policy, self._checkers[static].reports(modules, plan, read_apart=BoundedReading(plan)))

    def _shared_report(self, shared: Path, module: Path, remaining: Mapping[Path, set[str]]) -> ModuleReport:
        """Return the report that another worker of the run has made, or make it for all of them."""
        name = shared / hashlib.sha256(str(module).encode()).hexdigest()
        file = name.with_suffix(".json")
        with locked(name.with_suffix(".lock")):
            if not file.exists():
                (report,) = self._stream([module], remaining)
                file.write_bytes(report_text(report))
        return replace(report_from(file.read_bytes()), fail_on=self._plan.options.fail_on or "error")
