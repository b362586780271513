"""`hubcheck.validate` from Python, as the command line does it."""

from __future__ import annotations

import pytest

from tests.cli.command import BATCH_OF_1, GOOD


def test_raise_for_findings_shows_what_validate_prints():
    import hubcheck as package

    report = package.validate(BATCH_OF_1, static=True)
    with pytest.raises(package.FindingsError, match="dimension 0 is 1") as caught:
        report.raise_for_findings()
    assert [finding.rule for finding in caught.value.findings] == ["image-input/batch-size"]
    package.validate(GOOD, static=True).raise_for_findings()
