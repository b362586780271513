"""The pytest plugin: modules as test files, rules as tests. It imports next to nothing until there is a module.

    pytest --hubcheck exports/
    pytest exports/m::image-input/dtype
    pytest exports/m.tar.gz::image-input/dtype

Modules are read and run once per test run, by the first worker of pytest-xdist that needs one; the others read its
report from a folder that exists for the duration of the run.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hubcheck.module.file_names import MODULE_FILES
from hubcheck.testing.items import RuleItem, module_file
from hubcheck.testing.state import rule_folders, run_state
from hubcheck.util.text import printable_lines

if TYPE_CHECKING:
    from hubcheck.engine.reports import Report


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options and the ini key."""
    group = parser.getgroup("hubcheck", "TensorFlow image modules")
    text = "check the modules at or below PATH, one test for each rule; repeatable"
    group.addoption("--hubcheck", action="append", default=[], metavar="PATH", help=text)
    text_of_rules = "a folder with rules and signatures of your own; repeatable"
    group.addoption("--hubcheck-rules", action="append", default=[], metavar="DIR", help=text_of_rules)
    group.addoption("--hubcheck-static", action="store_true", help="decide from files alone, without TensorFlow")
    group.addoption(
        "--hubcheck-fail-on", choices=("error", "warning", "note"), help="the level from which a finding fails"
    )
    group.addoption(
        "--hubcheck-convention",
        choices=("common-signatures", "saved-model-api"),
        help="what consumers call: the common signatures (the default), or the callable of a TF2 SavedModel",
    )
    parser.addini("hubcheck_convention", "as --hubcheck-convention", default=None)
    parser.addini("hubcheck_paths", "modules to check when no paths are given", type="paths", default=[])


def pytest_configure(config: pytest.Config) -> None:
    """Add the marker, and add the modules' paths to what is collected."""
    config.addinivalue_line(
        "markers",
        "hubcheck(*paths, static=False, select=(), ignore=()): after the test has passed, check the modules in its"
        " tmp_path, or at these paths below it",
    )
    rule_folders(config)
    given = config.args_source == pytest.Config.ArgsSource.ARGS
    paths = [*config.getoption("--hubcheck"), *([] if given else map(str, config.getini("hubcheck_paths")))]
    named = [_with_main_file(argument, config.invocation_params.dir) for argument in config.args]
    config.args = list(dict.fromkeys([*named, *paths]))


def _with_main_file(argument: str, folder: Path) -> str:
    """Return an argument with the module's main file if it names a rule and only the module's folder."""
    path, names_rule, rule = argument.partition("::")
    main = next((name for name in MODULE_FILES if (folder / path / name).is_file()), None) if names_rule else None
    return argument if main is None else f"{path}/{main}::{rule}"


def pytest_unconfigure(config: pytest.Config) -> None:
    """End what runs."""
    run_state(config).close()


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect a module's main file, or its archive, if it was requested."""
    return module_file(file_path, parent)


def pytest_deselected(items: Iterable[pytest.Item]) -> None:
    """Note that some of the collected tests are not run."""
    for item in items:
        run_state(item.config).is_partial = True


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Note whether all tests were run, and fail if a requested path has no module.

    A worker of pytest-xdist sends what it observed to the main process.
    """
    state = run_state(session.config)
    ended = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED)
    if session.shouldstop or session.shouldfail or not ended:
        state.is_partial = True
    if hasattr(session.config, "workeroutput"):
        state.send(session.config.workeroutput)
    elif ended and state.note_empty_paths():
        session.exitstatus = pytest.ExitCode.USAGE_ERROR


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Send a worker of pytest-xdist the path of the shared folder."""
    run_state(node.config).share(node.workerinput)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Take what a worker of pytest-xdist observed."""
    run_state(node.config).receive(getattr(node, "workeroutput", {}), error)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print requested paths without a module, and entries of the configuration and baseline that can be removed."""
    state = run_state(config)
    partial = state.is_partial or config.getoption("lf", False) or any("::" in argument for argument in config.args)
    notices = [f"ERROR: --hubcheck {path}: no module here or below" for path in state.empty_paths]
    notices += state.policy.notices(whole=not partial) if state.policy is not None else []
    if notices:
        terminalreporter.section("hubcheck")
        for notice in notices:
            terminalreporter.line(printable_lines(notice))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Report a skip at the module, not at the line of this plugin that skips."""
    report = yield
    if isinstance(item, RuleItem) and report.skipped and isinstance(report.longrepr, tuple):
        report.longrepr = (str(item.path), 0, report.longrepr[2])
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Check the modules that a test with the marker `hubcheck` has made."""
    result = yield
    marker = item.get_closest_marker("hubcheck")
    if marker is not None:
        folder = getattr(item, "funcargs", {}).get("tmp_path")
        if folder is None:
            pytest.fail("a test with the marker `hubcheck` needs the fixture tmp_path", pytrace=False)
        paths = [folder / path for path in marker.args or (".",)]
        report = run_state(item.config).session.validate(paths, **marker.kwargs)
        if report.exit_code:
            from hubcheck.report.text import render

            pytest.fail("".join(render(report)), pytrace=False)
    return result


@pytest.fixture
def hubcheck_report(request: pytest.FixtureRequest) -> Callable[..., Report]:
    """`hubcheck_report(path)`: the report of the modules at `path`, which a test has made.

    It takes the options `static`, `select`, `ignore`, `fail_on` and `convention` of `hubcheck.validate`. The process in
    which modules run is started once for all tests.
    """

    def check(path: str | Path, **options: Any) -> Report:
        return run_state(request.config).session.validate([Path(path)], **options)

    return check
