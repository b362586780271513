"""Modules as test files, rules as tests."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest

from hubcheck.module.file_names import MODULE_FILES, is_archive_name
from hubcheck.testing.state import requested, run_state
from hubcheck.util.text import printable, printable_lines

if TYPE_CHECKING:
    from hubcheck.engine.findings import Finding


class HubcheckWarning(UserWarning):
    """A finding below the level that fails."""


class RuleFailed(Exception):
    """A rule that a module fails; the message is what `hubcheck validate` shows."""


def module_file(path: Path, parent: pytest.Collector) -> ModuleFile | None:
    """Return the collector of a module's main file or archive, if it was requested."""
    is_archive, config = is_archive_name(path.name), parent.config
    if path.name not in MODULE_FILES and not is_archive:
        return None
    if not is_archive and any((path.parent / name).exists() for name in MODULE_FILES[: MODULE_FILES.index(path.name)]):
        return None
    roots = {root for root, folder in requested(config).items() if path.is_relative_to(folder)}
    if not roots and not parent.session.isinitpath(path):
        return None
    state = run_state(config)
    if state.session.is_excluded(path if is_archive else path.parent):
        return None
    if is_archive and not state.session.is_module(path):
        return None
    state.collected |= roots
    if str(path).isprintable():
        return ModuleFile.from_parent(parent, path=path)
    relative = path.relative_to(config.rootpath) if path.is_relative_to(config.rootpath) else path
    return ModuleFile.from_parent(parent, path=path, nodeid=_printable(relative))  # pytest prints ids as they are


class ModuleFile(pytest.File):
    """A module, as a test file."""

    @property
    def module(self) -> Path:
        """The module's folder or archive."""
        return self.path.parent if self.path.name in MODULE_FILES else self.path

    def collect(self) -> Iterable[pytest.Item]:
        """Yield a test for each rule that is selected for the module."""
        session = run_state(self.config).session
        for rule in session.rules_of(self.module):
            item = RuleItem.from_parent(self, name=rule, module=self.module)
            reason = session.expected_to_fail(self.module, rule)
            if reason is not None:
                item.add_marker(pytest.mark.xfail(reason=reason, strict=True, raises=RuleFailed))
            yield item


class RuleItem(pytest.Item):
    """The check of one rule on one module, as a test."""

    def __init__(self, *, module: Path, **rest: Any) -> None:
        super().__init__(**rest)
        self.module = module

    def runtest(self) -> None:
        """Fail with the findings of the rule, or skip with the reason why it is not decided."""
        session = run_state(self.config).session
        # The rules of this run by module; deselected ones are not checked.
        rules: dict[Path, set[str]] = {}
        for item in self.session.items:
            if isinstance(item, RuleItem):
                rules.setdefault(item.module, set()).add(item.name)
        report = session.report(self.module, rules)
        outcome = next(outcome for outcome in report.outcomes if outcome.rule == self.name)
        failures, lesser = session.findings(report, self.name)
        for finding in lesser:
            if finding.level == "warning":
                self.warn(HubcheckWarning("\n" + _text(finding)))
            else:
                self.add_report_section("call", "hubcheck", _text(finding))
        if outcome.status == "broken":
            raise RuleFailed(f"{outcome.crash_title}:\n{printable_lines(outcome.reason or '')}")
        if failures:
            raise RuleFailed("\n".join(map(_text, failures)))
        if outcome.status in ("skipped", "ignored"):
            pytest.skip(printable(outcome.reason or "no reason given"))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Return the finding as `validate` shows it; a traceback only for other errors."""
        if isinstance(excinfo.value, RuleFailed):
            return str(excinfo.value)
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return the module's file, which has no lines to point at."""
        return Path(_printable(self.path)), 0, f"{printable(self.module.name)}: {self.name}"


def _printable(path: Path) -> str:
    text = path.as_posix()
    return printable(text, max_length=len(text))


def _text(finding: Finding) -> str:
    from hubcheck.report.text_lines import finding_lines, plain

    return plain(dedent("\n".join(finding_lines(finding)))).removesuffix("\n")
