"""What the tests of formats share."""

from __future__ import annotations

import pytest

import hubcheck
from tests.report.reports import project, report


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> hubcheck.Report:
    """A report with everything in it that formats have to tell."""
    return report(project(tmp_path_factory.mktemp("project")))
