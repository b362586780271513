"""What the tests of formats share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import hubcheck
from hubcheck.engine.reports import summarize
from hubcheck.report.formats import render
from tests.report.reports import project, report

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> hubcheck.Report:
    """A report with all levels, skipped and suppressed rules, and notices."""
    return report(project(tmp_path_factory.mktemp("project")))


@pytest.fixture(scope="session")
def detailed(tmp_path_factory: pytest.TempPathFactory) -> hubcheck.Report:
    """The same with the details of a run."""
    return hubcheck.validate(
        (folder := project(tmp_path_factory.mktemp("project"))) / "modules", config=folder / "hubcheck.toml"
    )


@pytest.fixture(scope="session")
def small_page(detailed: hubcheck.Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of six modules."""
    path = tmp_path_factory.mktemp("html") / "report.html"
    path.write_text(render(detailed, "html"), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def large_page(detailed: hubcheck.Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of 36 modules, whose cards are packed."""
    modules = [replace(m, key=f"{n}/{m.key}") for n in range(6) for m in detailed.modules]
    path = tmp_path_factory.mktemp("html") / "many.html"
    path.write_text(render(replace(detailed, modules=modules, summary=summarize(modules)), "html"), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium; one for each file of tests."""
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    from tests.report.browser import CHROMIUM, chromium

    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    with chromium() as started:
        yield started
