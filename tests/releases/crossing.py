"""Check and use modules that another release of TensorFlow wrote: `make test-matrix` runs this file.

The environment variable WRITTEN names their folder. Not named test_*.py, because it requires that folder.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import hubcheck
from hubcheck import hub
from hubcheck.engine.module_report import ModuleReport
from hubcheck.rulebook.convention import CONVENTIONS
from tests.author.networks import random_images
from tests.publishing import module_path, scripts
from tests.releases.write import FORMATS, MODULES, TASKS

WRITTEN = Path(os.environ["WRITTEN"])
SCRIPTS = {script.id: script for script in scripts() if "NEEDS" not in script.constants}


@pytest.fixture(scope="module")
def reports() -> dict[str, ModuleReport]:
    """The report of each script's module, checked statically and by probes."""
    paths = {name: str(module_path(script, WRITTEN / "fixtures")) for name, script in SCRIPTS.items()}
    found = {
        report.path: report
        for convention in CONVENTIONS
        for report in hubcheck.validate(
            [path for name, path in paths.items() if SCRIPTS[name].convention == convention], convention=convention
        ).modules
    }
    return {name: found[path] for name, path in paths.items()}


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_has_the_same_findings_on_every_release(name: str, reports: dict[str, ModuleReport]) -> None:
    findings = reports[name].findings
    assert sorted({finding.rule for finding in findings}) == SCRIPTS[name].findings, findings
    assert [o.reason for o in reports[name].outcomes if o.status == "broken" or not o.complete] == []


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("name", MODULES)
def test_what_hubcheck_wrote_conforms_and_computes_the_same(name: str, kind: str) -> None:
    path = WRITTEN / "authored" / name / kind
    hubcheck.validate(path).raise_for_findings()
    module = hub.Module(path)
    for task in TASKS:
        wanted = np.load(WRITTEN / "authored" / f"{name}.{task}.npy")
        np.testing.assert_allclose(module(random_images(), signature=task).numpy(), wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("name", MODULES)
def test_what_hubcheck_wrote_can_be_trained(name: str, kind: str) -> None:
    module = hub.Module(WRITTEN / "authored" / name / kind, trainable=True, tags={"train"})
    assert module(random_images()).shape[0] == len(random_images())
    assert module.trainable_variables and module.regularization_losses
