"""Reports of modules with measured faults are the same with other jobs, hash seeds and orders."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.paths import DATA
from tests.publishing import published, scripts
from tests.stability import SETTINGS, differences

MEASURED = ("behaviour/deterministic/bad", "behaviour/batch-independence/bad", "output/no-dropout/bad")


@pytest.mark.slow
def test_reports_are_the_same_in_two_settings(tmp_path: Path) -> None:
    modules = [published(script, tmp_path) for script in scripts() if script.id in MEASURED]
    assert len(modules) == len(MEASURED)
    assert list(differences([*modules, DATA / "a_good_feature_vector"], SETTINGS[1:3])) == []
