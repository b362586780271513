"""The pytest plugin: modules as test files, rules as tests. It imports nothing of hubcheck until there is a module.

    pytest --hubcheck exports/
    pytest exports/m/saved_model.pb::image-input/dtype
    pytest exports/m.tar.gz::image-input/dtype

Modules are read and run once per test run, whichever worker of pytest-xdist needs one first; what was seen is shared
with the others through a folder that lives as long as the run.
"""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest

from hubcheck.module.file_names import MODULE_FILES, is_archive_name

if TYPE_CHECKING:
    from hubcheck.engine.findings import Finding
    from hubcheck.engine.reports import Report
    from hubcheck.testing.session import Checks

_PLACE = "hubcheck_shared"
_SEEN = "hubcheck_seen"
_NARROWED = "hubcheck_narrowed"


class HubcheckWarning(UserWarning):
    """A finding below the level that fails."""


class ModuleFault(Exception):
    """A rule that does not hold; the message is what `hubcheck validate` shows."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options and the ini key."""
    group = parser.getgroup("hubcheck", "TensorFlow image modules")
    group.addoption(
        "--hubcheck",
        action="append",
        default=[],
        metavar="PATH",
        help="check the modules at or below PATH, one test for each rule; repeatable",
    )
    group.addoption("--hubcheck-static", action="store_true", help="decide from files alone, without TensorFlow")
    group.addoption("--hubcheck-fail-on", choices=("error", "warning"), help="the level from which a finding fails")
    parser.addini("hubcheck_paths", "modules to check when no paths are given", type="paths", default=[])


def pytest_configure(config: pytest.Config) -> None:
    """Add the paths to what is collected, and make the place where workers share what they saw."""
    config.addinivalue_line(
        "markers",
        "hubcheck(*paths, static=False, select=(), ignore=()): after the test has passed, check the modules that it"
        " left in its tmp_path, or at the paths below it",
    )
    if not hasattr(config, "workerinput"):
        # Workers of pytest-xdist are given the whole list.
        config.args = list(dict.fromkeys([*config.args, *_paths(config)]))


def _paths(config: pytest.Config) -> list[str]:
    """What to collect besides: `--hubcheck`, and the ini key where no paths are given."""
    given = config.args_source == pytest.Config.ArgsSource.ARGS
    return [*config.getoption("--hubcheck"), *([] if given else map(str, config.getini("hubcheck_paths")))]


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist where the place is."""
    if not hasattr(node.config, _PLACE):
        # Made by the first worker that has a module, for most runs have none.
        setattr(node.config, _PLACE, str(Path(tempfile.gettempdir()) / f"hubcheck-pytest-{uuid.uuid4().hex}"))
    node.workerinput[_PLACE] = getattr(node.config, _PLACE)


def pytest_unconfigure(config: pytest.Config) -> None:
    """End what runs, and remove the place."""
    checks: Checks | None = getattr(config, "hubcheck_checks", None)
    if checks is not None:
        checks.close()
    place = getattr(config, _PLACE, None)
    if place is not None:
        shutil.rmtree(place, ignore_errors=True)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """A module's main file, or the archive of one, if it was asked for."""
    packed = is_archive_name(file_path.name)
    if file_path.name not in MODULE_FILES and not packed:
        return None
    if not packed and any(
        (file_path.parent / name).exists() for name in MODULE_FILES[: MODULE_FILES.index(file_path.name)]
    ):
        return None
    if not parent.session.isinitpath(file_path) and not any(
        root == file_path or root in file_path.parents for root in _roots(parent.config)
    ):
        return None
    if packed and not _checks(parent.config).is_module(file_path):
        return None
    return ModuleFile.from_parent(parent, path=file_path)


def _roots(config: pytest.Config) -> Iterator[Path]:
    for path in (*config.getoption("--hubcheck"), *config.getini("hubcheck_paths")):
        found = Path(path)
        yield found if found.is_absolute() else config.invocation_params.dir / found


def _checks(config: pytest.Config) -> Checks:
    checks: Checks | None = getattr(config, "hubcheck_checks", None)
    if checks is None:
        from hubcheck.testing.session import Checks

        workerinput: dict[str, Any] = getattr(config, "workerinput", {})
        checks = Checks(
            config.rootpath,
            static=config.getoption("--hubcheck-static"),
            fail_on=config.getoption("--hubcheck-fail-on"),
            shared=Path(workerinput[_PLACE]) if workerinput.get(_PLACE) else None,
        )
        config.hubcheck_checks = checks  # type: ignore[attr-defined]
    return checks


class ModuleFile(pytest.File):
    """One module."""

    @property
    def module(self) -> Path:
        """Where the module is: the folder, or the archive."""
        return self.path.parent if self.path.name in MODULE_FILES else self.path

    def collect(self) -> Iterable[pytest.Item]:
        """A test for each rule that is selected for it."""
        checks = _checks(self.config)
        for rule in checks.rules_of(self.module):
            item = RuleItem.from_parent(self, name=rule)
            reason = checks.expected_to_fail(self.module, rule)
            if reason is not None:
                item.add_marker(pytest.mark.xfail(reason=reason, strict=True, raises=ModuleFault))
            yield item


class RuleItem(pytest.Item):
    """One rule, asked of one module."""

    @property
    def module(self) -> Path:
        """Where the module is."""
        assert isinstance(self.parent, ModuleFile)
        return self.parent.module

    def runtest(self) -> None:
        """Fail with the findings of the rule, or skip with the reason why there is no answer."""
        checks = _checks(self.config)
        report = checks.report(self.module, self._rules_by_module())
        outcome = next(outcome for outcome in report.outcomes if outcome.rule == self.name)
        failures, lesser = checks.findings(report, self.name)
        for finding in lesser:
            if finding.level == "warning":
                self.warn(HubcheckWarning("\n" + _shown(finding)))
            else:
                self.add_report_section("call", "hubcheck", _shown(finding))
        if outcome.status == "broken":
            raise ModuleFault(f"{outcome.crash_title}:\n{outcome.reason}")
        if failures:
            raise ModuleFault("\n".join(map(_shown, failures)))
        if outcome.status in ("skipped", "ignored"):
            pytest.skip(outcome.reason or "no reason told")

    def _rules_by_module(self) -> dict[Path, set[str]]:
        """What is still to be asked in this run, module by module: what was deselected is not run."""
        asked: dict[Path, set[str]] = {}
        for item in self.session.items:
            if isinstance(item, RuleItem):
                asked.setdefault(item.module, set()).add(item.name)
        return asked

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The finding as `validate` shows it; a traceback only for what is no finding."""
        if isinstance(excinfo.value, ModuleFault):
            return str(excinfo.value)
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Path, int, str]:
        """The module's file has no lines to point at."""
        return self.path, 0, f"{self.module.name}: {self.name}"


def pytest_deselected(items: Iterable[pytest.Item]) -> None:
    """Note that something which was collected is not run."""
    for item in items:
        setattr(item.config, _NARROWED, True)
        return


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Note whether the run came to its end; a worker of pytest-xdist hands over what it saw."""
    config = session.config
    ended = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED)
    if session.shouldstop or session.shouldfail or not ended:
        setattr(config, _NARROWED, True)
    output: dict[str, Any] | None = getattr(config, "workeroutput", None)
    checks: Checks | None = getattr(config, "hubcheck_checks", None)
    if output is not None and checks is not None:
        output[_SEEN] = {**checks.seen(), _NARROWED: getattr(config, _NARROWED, False)}


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Take what a worker of pytest-xdist saw; of one that died, nothing is known."""
    seen = getattr(node, "workeroutput", {}).get(_SEEN)
    if seen is None:
        if error is not None:
            setattr(node.config, _NARROWED, True)
        return
    if seen.pop(_NARROWED):
        setattr(node.config, _NARROWED, True)
    _checks(node.config).add(seen)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Tell what the configuration need not say any more."""
    checks: Checks | None = getattr(config, "hubcheck_checks", None)
    if checks is None:
        return
    narrowed = getattr(config, _NARROWED, False) or config.getoption("lf", False)
    whole = not narrowed and not any("::" in argument for argument in config.args)
    notices = checks.notices(whole=whole)
    if notices:
        terminalreporter.section("hubcheck")
        for notice in notices:
            terminalreporter.line(notice)


def _shown(finding: Finding) -> str:
    from click import unstyle

    from hubcheck.report.text import finding_lines

    return unstyle(dedent("\n".join(finding_lines(finding))))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A skip is told of the module, not of the line of this plugin that skips."""
    report = yield
    if isinstance(item, RuleItem) and report.skipped and isinstance(report.longrepr, tuple):
        report.longrepr = (str(item.path), 0, report.longrepr[2])
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Check the modules that a marked test has left behind."""
    result = yield
    marker = item.get_closest_marker("hubcheck")
    if marker is not None:
        folder = getattr(item, "funcargs", {}).get("tmp_path")
        if folder is None:
            pytest.fail("a test that is marked `hubcheck` needs the fixture tmp_path", pytrace=False)
        paths = [folder / path for path in marker.args or (".",)]
        report = _checks(item.config).validate(paths, **marker.kwargs)
        if report.exit_code:
            pytest.fail(_text(report), pytrace=False)
    return result


def _text(report: Report) -> str:
    from hubcheck.report.text import render

    return "".join(render(report))


@pytest.fixture
def hubcheck_report(request: pytest.FixtureRequest) -> Callable[..., Report]:
    """`hubcheck_report(path)`: the report of the modules at `path`, which a test has made.

    It takes the options `static`, `select`, `ignore` and `fail_on` of `hubcheck.validate`. The process in which
    modules run is started once for all tests.
    """

    def check(path: str | Path, **options: Any) -> Report:
        return _checks(request.config).validate([Path(path)], **options)

    return check
