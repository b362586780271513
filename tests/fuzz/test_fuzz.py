"""Every module gets a verdict: a short run of `make fuzz`, and the modules that it found."""

from __future__ import annotations

import gzip
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import hubcheck
from hubcheck.checks.grouping import MAX_FAULTS
from tests.fuzz import campaign
from tests.fuzz.checker import FuzzChecker
from tests.fuzz.costly_graphs import COSTLY_GRAPHS, module
from tests.fuzz.seeds import seeds
from tests.fuzz.targets import TARGETS
from tests.paths import DATA, ROOT

FOUND = sorted((Path(__file__).parent / "found").glob("*.gz"))
SIZES = 10
"""Graphs are a tenth as large here as in `make fuzz`."""


@pytest.fixture(scope="module")
def check() -> FuzzChecker:
    return FuzzChecker()


@pytest.mark.parametrize("target", TARGETS)
def test_mutated_modules_get_a_verdict(target: str) -> None:
    result = campaign.run(seeds(), first=0, runs=60, seconds=6, only=target)
    assert result.crashes == {}
    assert result.runs.total() > 5


@pytest.mark.parametrize("name", COSTLY_GRAPHS)
def test_a_costly_graph_gets_a_verdict(check: FuzzChecker, tmp_path: Path, name: str) -> None:
    build, size = COSTLY_GRAPHS[name]
    (tmp_path / "saved_model.pb").write_bytes(module(build, max(size // SIZES, 20)))
    shutil.copytree(DATA / "a_good_feature_vector" / "variables", tmp_path / "variables")
    check(tmp_path)


@pytest.mark.parametrize("file", FOUND, ids=lambda file: file.name.partition(".")[0])
def test_a_module_that_once_crashed_hubcheck_gets_a_verdict(check: FuzzChecker, tmp_path: Path, file: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(gzip.decompress(file.read_bytes()))
    (tmp_path / "assets").mkdir()
    check(tmp_path, thorough=True)


def test_mutations_reach_many_rules() -> None:
    """Not only the rule for unreadable files fails."""
    result = campaign.run(seeds(), first=0, runs=150, seconds=20, only="structure")
    assert len(result.findings) > 5


def test_the_number_of_findings_of_one_rule_is_bounded(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(module(COSTLY_GRAPHS["signatures"][0], 1000))
    findings = hubcheck.validate(tmp_path, static=True).findings
    assert [finding.rule for finding in findings] == ["safety/custom-ops"] * (MAX_FAULTS + 1)
    assert f"more than {MAX_FAULTS} findings of this rule" in findings[-1].message


def test_a_number_is_the_same_mutation_in_every_process() -> None:
    """Otherwise the counts of several runs would not add up, and a failure could not be repeated."""
    code = (
        "import hashlib, random\n"
        "from tests.fuzz.seeds import seeds\n"
        "from tests.fuzz.targets import TARGETS\n"
        "chosen, digest = seeds(), hashlib.sha256()\n"
        "for number in range(150):\n"
        "    rng = random.Random(number)\n"
        "    files = TARGETS[rng.choice(sorted(TARGETS))][0](rng, rng.choice(chosen))\n"
        "    digest.update(repr(sorted(files.items())).encode())\n"
        "print(digest.hexdigest())\n"
    )
    made = [
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for _ in range(3)
    ]
    assert len(set(made)) == 1
