"""What the tests of formats share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

import hubcheck
from tests.report.reports import project, report

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> hubcheck.Report:
    """A report with all levels, skipped and suppressed rules, and notices."""
    return report(project(tmp_path_factory.mktemp("project")))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium; one for each file of tests."""
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    from tests.report.browser import CHROMIUM, chromium

    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    with chromium() as started:
        yield started
