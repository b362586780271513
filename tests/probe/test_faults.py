"""Every fault of behaviour is found and its twin has no finding, for any seed and any largest batch."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

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


@given(seed=st.integers(0, 10_000), larger=st.integers(4, 9))
@settings(
    max_examples=2,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_each_fault_is_found_and_its_twin_has_no_finding(modules, seed, larger):
    paths = [path for pair in modules.values() for path in pair]
    options = ProbeOptions(seed=seed, larger_batch=larger)
    reports = {Path(report.path): report for report in hubcheck.validate(paths, probe=options).modules}
    wrong = []
    for fault in FAULTS:
        for path, wanted in zip(modules[fault.name], (set(fault.rules), set()), strict=True):
            found = {finding.rule for finding in reports[path].findings} - {DOCUMENTATION}
            if found != wanted:
                wrong.append(f"{fault.name} ({path.name}): found {sorted(found)}, wanted {sorted(wanted)}")
    assert wrong == []
