"""Every fault of behaviour is found and its twin has no finding, whatever the seed and the largest batch."""

from __future__ import annotations

from pathlib import Path

import pytest

import hubcheck
from hubcheck.probe.options import ProbeOptions
from tests.probe.faults import FAULTS, Fault
from tests.probe.modules import pooled, tf1_module

DOCUMENTATION = "classification/documentation"


def module(path: Path, fault: Fault, function) -> Path:
    if fault.place == "training":
        return tf1_module(path, pooled, function)
    if fault.place == "default":
        return tf1_module(path, pooled, default=function)
    return tf1_module(path, function, signature=fault.signature)


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Path]]:
    """The bad and the good module by the name of the fault."""
    folder = tmp_path_factory.mktemp("faults")
    return {
        fault.name: (
            module(folder / f"bad{number}", fault, fault.bad),
            module(folder / f"good{number}", fault, fault.good),
        )
        for number, fault in enumerate(FAULTS)
    }


def test_there_are_at_least_25_faults_of_different_names():
    assert len(FAULTS) >= 25
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


@pytest.mark.parametrize(("first", "seed", "larger"), [(0, 0, 4), (1, 7_243, 9)])
def test_each_fault_is_found_and_its_twin_has_no_finding(modules, first, seed, larger):
    """Of the faults one half with one seed, the other half with another; fixtures have such faults with the default."""
    faults = FAULTS[first::2]
    paths = [path for fault in faults for path in modules[fault.name]]
    options = ProbeOptions(seed=seed, larger_batch=larger)
    reports = {Path(report.path): report for report in hubcheck.validate(paths, probe=options).modules}
    wrong = []
    for fault in faults:
        for path, wanted in zip(modules[fault.name], (set(fault.rules), set()), strict=True):
            found = {finding.rule for finding in reports[path].findings} - {DOCUMENTATION}
            if found != wanted:
                wrong.append(f"{fault.name} ({path.name}): found {sorted(found)}, wanted {sorted(wanted)}")
    assert wrong == []
