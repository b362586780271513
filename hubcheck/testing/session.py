"""What the pytest plugin does once there is a module: the checks of one test run, shared by its workers."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

from hubcheck.config.baseline import Known
from hubcheck.config.file import Config, covers, find_config
from hubcheck.engine.findings import Finding
from hubcheck.engine.identity import module_key
from hubcheck.engine.module_report import ModuleReport
from hubcheck.engine.reports import Report
from hubcheck.module.archive import names_module
from hubcheck.module.uri import ModuleSource
from hubcheck.rulebook.levels import Level
from hubcheck.rulebook.rules import matching
from hubcheck.run.checker import Checker
from hubcheck.run.options import Options
from hubcheck.run.report_codec import report_from, report_text
from hubcheck.run.resolved import ResolvedOptions, resolve
from hubcheck.run.validate import modules_at
from hubcheck.util.locks import locked


class Checks:
    """Reports of the modules of a test run.

    Args:
        root: pytest's root folder, from which the configuration is looked for.
        static: decide from files alone.
        fail_on: the level from which a finding fails; None leaves it to the configuration.
        shared: a folder that the workers of the run have in common; None if there is one process.
    """

    def __init__(
        self, root: Path, *, static: bool, fail_on: Literal["error", "warning"] | None, shared: Path | None
    ) -> None:
        self._plan = resolve(Options(static=static, fail_on=fail_on, config=find_config(root)))
        if shared is not None:
            shared.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._shared = shared
        self._reports: dict[Path, ModuleReport] = {}
        self._coming: Generator[ModuleReport, None, None] | None = None
        self._checkers: dict[bool, Checker] = {}

    @property
    def _config(self) -> Config | None:
        return self._plan.options.config

    def rules_of(self, path: Path) -> list[str]:
        """The ids of the rules to ask of a module, in the order of the rule files."""
        policy = self._plan.policy
        chosen = self._plan.selected if policy is None else policy.selected(path, self._plan.selected)
        return [rule for rule in self._plan.rules if rule in chosen]

    def is_module(self, archive: Path) -> bool:
        """Whether an archive is one of a module, or cannot be read."""
        return names_module(archive, self._plan.limits)

    def expected_to_fail(self, path: Path, rule: str) -> str | None:
        """The reason that the configuration gives for the failure of a rule on a module, if it gives one."""
        if self._config is None:
            return None
        key = module_key(path, self._config.home)
        for entry in self._config.xfail:
            if covers(entry.path, key) and any(rule in matching(pattern, self._plan.rules) for pattern in entry.rules):
                return entry.reason
        return None

    def findings(self, report: ModuleReport, rule: str) -> tuple[list[Finding], list[Finding]]:
        """The findings of a rule that fail, and those that do not; an expected failure is one."""
        expected = [item.finding for item in report.suppressed if item.kind == "xfail" and item.finding.rule == rule]
        failing = [finding for finding in report.failures if finding.rule == rule]
        lesser = [finding for finding in report.findings if finding.rule == rule and finding not in failing]
        return failing + expected, lesser

    def report(self, path: Path, asked: Mapping[Path, set[str]]) -> ModuleReport:
        """The report of a module; `asked` are the rules that the run still has to ask, module by module.

        In one process the modules are checked in the order of their tests, so that the next one runs while the
        tests of this one are told. Workers of pytest-xdist take modules as they come.
        """
        while path not in self._reports:
            if self._shared is not None:
                self._reports[path] = self._once_for_all(path, asked)
                continue
            if self._coming is None:
                self._coming = self._stream(_from(path, asked), asked)
            report = next(self._coming, None)
            if report is None:
                self._coming = None
            else:
                self._reports[Path(report.path)] = report
        return self._reports[path]

    def validate(
        self,
        paths: Iterable[Path],
        *,
        static: bool = False,
        select: Iterable[str] = (),
        ignore: Iterable[str] = (),
        fail_on: Level | None = None,
    ) -> Report:
        """A report of modules that a test has made."""
        options = self._plan.options
        plan = resolve(
            replace(
                options,
                static=static or options.static,
                select=tuple(select),
                ignore=tuple(ignore),
                fail_on=fail_on or options.fail_on,
            )
        )
        return plan.report(self._checked(modules_at(paths, plan), plan))

    def seen(self) -> dict[str, Any]:
        """What this process saw of the configuration's use, as plain data for `add`."""
        policy = self._plan.policy
        if policy is None:
            return {}
        return {"uses": policy.uses.rows(), "gone": [asdict(known) for known in policy.gone]}

    def add(self, seen: dict[str, Any]) -> None:
        """Add what another process of the run saw."""
        policy = self._plan.policy
        if policy is not None and seen:
            policy.uses.add(seen["uses"])
            policy.gone += (Known(**row) for row in seen["gone"])

    def notices(self, *, whole: bool) -> list[str]:
        """Entries of the configuration that have nothing to say any more, as `validate` tells them.

        Args:
            whole: whether every test that was asked for was run.
        """
        policy = self._plan.policy
        return [] if policy is None else list(policy.notices(whole=whole))

    def close(self) -> None:
        """End the workers that run modules, also in the middle of a run."""
        if self._coming is not None:
            self._coming.close()
            self._coming = None
        for checker in self._checkers.values():
            checker.__exit__(None, None, None)
        self._checkers.clear()

    def _stream(self, paths: Iterable[Path], asked: Mapping[Path, set[str]]) -> Generator[ModuleReport, None, None]:
        wanted = {rule for rules in asked.values() for rule in rules}
        options = self._plan.options
        static = options.static or not any(self._plan.rules[rule].probe for rule in wanted)
        plan = replace(self._plan, options=replace(options, static=static), rules_by_module=asked)
        yield from self._checked(paths, plan)

    def _checked(self, modules: Iterable[ModuleSource], plan: ResolvedOptions) -> Iterator[ModuleReport]:
        static = plan.options.static
        if static not in self._checkers:
            self._checkers[static] = Checker(plan).__enter__()
        return map(plan.apply_policy, self._checkers[static].reports(modules, plan))

    def _once_for_all(self, path: Path, asked: Mapping[Path, set[str]]) -> ModuleReport:
        """The report that another worker of the run has made, or that this one makes for the others."""
        assert self._shared is not None
        name = self._shared / hashlib.sha256(str(path).encode()).hexdigest()
        seen = name.with_suffix(".json")
        with locked(name.with_suffix(".lock")):
            if not seen.exists():
                (report,) = self._stream([path], asked)
                seen.write_bytes(report_text(report))
        made = report_from(seen.read_bytes())
        return replace(made, fail_on=self._plan.options.fail_on or "error")


def _from(path: Path, asked: Mapping[Path, set[str]]) -> list[Path]:
    """The modules from `path` on, in the order of their tests."""
    order = list(asked)
    return order[order.index(path) :] if path in order else [path]
