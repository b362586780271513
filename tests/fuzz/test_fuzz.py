"""Every module gets a verdict: a short run of what `make fuzz` does for long, and what it once found."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import pytest

import hubcheck
from tests.fuzz import campaign
from tests.fuzz.judge import Judge
from tests.fuzz.mazes import MAZES, module
from tests.fuzz.seeds import seeds
from tests.fuzz.targets import TARGETS
from tests.paths import ROOT

FOUND = sorted((Path(__file__).parent / "found").glob("*.gz"))
SIZES = 10
"""Mazes are a tenth as large here as they are for `make fuzz`."""


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge()


@pytest.mark.parametrize("target", TARGETS)
def test_mutated_modules_get_a_verdict(target: str) -> None:
    result = campaign.run(seeds(), first=0, runs=60, seconds=6, only=target)
    assert result.crashes == {}
    assert result.runs.total() > 5


@pytest.mark.parametrize("name", MAZES)
def test_a_maze_gets_a_verdict(judge: Judge, tmp_path: Path, name: str) -> None:
    maze, size = MAZES[name]
    (tmp_path / "saved_model.pb").write_bytes(module(maze, max(size // SIZES, 20)))
    judge(tmp_path)


@pytest.mark.parametrize("file", FOUND, ids=lambda file: file.name.partition(".")[0])
def test_what_once_broke_hubcheck_gets_a_verdict(judge: Judge, tmp_path: Path, file: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(gzip.decompress(file.read_bytes()))
    (tmp_path / "assets").mkdir()
    judge(tmp_path, thorough=True)


def test_a_run_can_be_told_from_none() -> None:
    """The mutations reach what stands behind the reader: many rules, not the first one alone, are broken by them."""
    result = campaign.run(seeds(), first=0, runs=150, seconds=20, only="structure")
    assert len(result.findings) > 5


def test_findings_of_one_rule_are_told_up_to_a_number(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(module(MAZES["signatures"][0], 1000))
    findings = hubcheck.validate(tmp_path, static=True).findings
    assert [finding.rule for finding in findings] == ["safety/custom-ops"] * 201
    assert "more findings of this rule" in findings[-1].message


def test_a_number_is_the_same_mutation_in_every_process() -> None:
    """Else numbers of several runs would not add up, and a broken module could not be made again."""
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
